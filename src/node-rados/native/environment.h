// What one JavaScript environment (main thread or worker) has of the addon: its handles, the queue through which other
// threads hand it finished work, and its end.
#pragma once
#include <node_api.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "handles.h"

namespace node_rados {

class Environment;

// Something that a Ceph or pool thread hands to the JavaScript thread.
struct Completion {
  Completion* next = nullptr;
  virtual ~Completion() = default;
  // On the JavaScript thread. Ends the object's life, or puts it back where it came from.
  virtual void deliver(Environment& environment) = 0;
};

// The way into an environment for work that may outlive it. Closed when the environment ends; what comes later is dropped.
class Gate {
 public:
  explicit Gate(Environment* environment) : environment_(environment) {}
  // From any thread. Takes the completion.
  void post(Completion* completion);
  void close();

 private:
  std::mutex mutex_;
  Environment* environment_;
};

// One image I/O. Reused through the environment's free list, so that the data path allocates nothing here.
struct IoRequest final : Completion {
  Environment* environment = nullptr;
  std::shared_ptr<Image> image;
  uint32_t slot = 0;
  int64_t result = 0;
  uint64_t mismatch = 0;
  uint64_t offset = 0, length = 0;  // of a compare-and-write
  std::vector<struct iovec> iov;  // librbd reads a readv's vector until completion
  void deliver(Environment& environment) override;
};

class Environment {
 public:
  static Environment* create(napi_env env);

  napi_env env() const { return env_; }
  const std::shared_ptr<Gate>& gate() const { return gate_; }

  // The calls into JavaScript; given once by the typed layer.
  void setup(napi_value batch, napi_value on_io, napi_value on_event, napi_value make_error);
  napi_value make_error(const char* operation, int error, const std::string& detail);
  void event(std::vector<napi_value> arguments);

  // The event loop stays alive while anything is pending. JavaScript thread.
  void begin();
  void end();

  IoRequest* take_request();
  void give_back(IoRequest* request);
  // A librbd thread, once for each request taken and submitted; the last thing that touches this environment.
  void finish_io(IoRequest* request);
  void record_io(IoRequest* request);

  // Any thread, while it is certain that the environment lives.
  void post(Completion* completion);

  HandleTable<Cluster> clusters;
  HandleTable<IoContext> contexts;
  HandleTable<Image> images;
  HandleTable<Watch> watches;

 private:
  explicit Environment(napi_env env) : env_(env), gate_(std::make_shared<Gate>(this)) {}
  static void on_wake(napi_env env, napi_value, void* context, void*);
  static void on_teardown(void* self);
  void drain();
  void flush_batch();
  void call(napi_ref function, size_t argc, const napi_value* argv);

  napi_env env_;
  std::shared_ptr<Gate> gate_;
  napi_threadsafe_function wake_ = nullptr;
  napi_ref batch_ref_ = nullptr, on_io_ = nullptr, on_event_ = nullptr, make_error_ = nullptr;
  double* batch_ = nullptr;  // triples of slot, result, mismatch offset
  size_t batch_capacity_ = 0, batch_count_ = 0;
  size_t pending_ = 0;
  std::vector<IoRequest*> free_requests_;
  std::atomic<Completion*> finished_{nullptr};  // a stack: newest first
  std::atomic<size_t> io_outstanding_{0};       // submitted and not yet through finish_io
};

}  // namespace node_rados
