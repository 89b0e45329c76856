// One call from JavaScript: its arguments, and the promise that a control operation answers with.
#pragma once
#include <node_api.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "environment.h"
#include "thread-pool.h"

namespace node_rados {

// A JavaScript exception is pending; unwinds to the entry.
struct Thrown {};

// Makers of JavaScript values.
struct Js {
  napi_env env;
  napi_value undefined() const;
  napi_value boolean(bool value) const;
  napi_value number(double value) const;
  napi_value bigint(uint64_t value) const;
  napi_value string(const std::string& value) const;
  napi_value buffer(const void* data, size_t length) const;
  napi_value strings(const std::vector<std::string>& values) const;
  napi_value string_map(const std::vector<std::pair<std::string, std::string>>& entries) const;
  napi_value array(size_t length) const;
  void set(napi_value array, size_t index, napi_value value) const;
  napi_value object() const;
  void set(napi_value object, const char* key, napi_value value) const;
};

// A control operation: runs anywhere, settles its promise on the JavaScript thread.
struct Task : Completion {
  std::shared_ptr<Gate> gate;
  napi_deferred deferred = nullptr;
  const char* operation = "";
  int result = 0;
  uint64_t version = 0;
  std::string detail;  // for the error's message

  // From any thread, once.
  void finish(int rc) {
    result = rc;
    const std::shared_ptr<Gate> way = gate;
    way->post(this);
  }
  void deliver(Environment& environment) override;
  virtual napi_value value(const Js& js) = 0;
};

template <class Reply>
struct TaskOf final : Task {
  Reply reply{};
  std::function<napi_value(const Js&, TaskOf&)> convert;
  napi_value value(const Js& js) override { return convert ? convert(js, *this) : js.undefined(); }
};

struct Nothing {};

class Call {
 public:
  static constexpr size_t kArgumentsMax = 10;
  Call(napi_env env, napi_callback_info info);

  Environment& environment() const { return *environment_; }
  Js js() const { return {env_}; }

  std::string string(size_t index) const;
  double number(size_t index) const;
  int64_t integer(size_t index) const;
  uint32_t u32(size_t index) const;
  uint64_t bigint(size_t index) const;
  bool boolean(size_t index) const;
  bool absent(size_t index) const;  // null or undefined
  napi_value raw(size_t index) const { return argv_[index]; }
  // A copy of a Uint8Array's or string's bytes.
  std::string bytes(size_t index) const;
  std::vector<std::string> strings(size_t index) const;
  // Not a copy: the memory of a Uint8Array.
  std::pair<char*, size_t> span(size_t index) const { return span_of(argv_[index]); }
  std::pair<char*, size_t> span_of(napi_value value) const;

  // Open handles; throw an EBADF error when closed.
  std::shared_ptr<Cluster> cluster(size_t index) const;
  std::shared_ptr<IoContext> context(size_t index) const;
  std::shared_ptr<Image> image(size_t index) const;

  // Values inside arrays.
  std::string bytes_of(napi_value value) const;
  std::vector<napi_value> elements(napi_value array) const;
  double number_of(napi_value value) const;

  [[noreturn]] void type_error(const char* message) const;
  [[noreturn]] void fail(const char* operation, int error, const std::string& detail) const;

  // Starts a task with a promise.
  template <class Reply>
  TaskOf<Reply>* task(const char* operation, std::string detail, napi_value* promise,
                      std::function<napi_value(const Js&, TaskOf<Reply>&)> convert) const {
    auto* task = new TaskOf<Reply>;
    task->gate = environment_->gate();
    task->operation = operation;
    task->detail = std::move(detail);
    task->convert = std::move(convert);
    napi_create_promise(env_, &task->deferred, promise);
    environment_->begin();
    return task;
  }

  // `run` on a thread that may block.
  template <class Reply>
  napi_value blocking(const char* operation, std::string detail, std::function<int(Reply&)> run,
                      std::function<napi_value(const Js&, TaskOf<Reply>&)> convert = nullptr,
                      Lane lane = Lane::osds) const {
    napi_value promise;
    auto* t = task<Reply>(operation, std::move(detail), &promise, std::move(convert));
    run_blocking(lane, [t, run = std::move(run)]() mutable {
      const int rc = run(t->reply);
      run = nullptr;  // what it holds is let go before the promise settles
      t->finish(rc);
    });
    return promise;
  }

  // A RADOS aio: `start` gives the completion to librados and returns its rc.
  template <class Reply>
  napi_value rados(const char* operation, std::string detail, const std::shared_ptr<IoContext>& context, size_t payload,
                   std::function<int(TaskOf<Reply>&, rados_completion_t)> start,
                   std::function<napi_value(const Js&, TaskOf<Reply>&)> convert = nullptr) const {
    napi_value promise;
    auto* t = task<Reply>(operation, std::move(detail), &promise, std::move(convert));
    auto* flight = new Flight{t, context, payload};
    context->cluster->admit(payload, [flight, t, start = std::move(start)] {
      rados_completion_t completion = nullptr;
      int rc = rados_aio_create_completion2(flight, landed, &completion);
      if (rc == 0) {
        rc = start(*t, completion);
        if (rc == 0) return;
        rados_aio_release(completion);
      }
      land(flight, rc);
    });
    return promise;
  }

 private:
  struct Flight {
    Task* task;
    std::shared_ptr<IoContext> context;
    size_t payload;
  };
  static void landed(rados_completion_t completion, void* argument);
  static void land(Flight* flight, int rc);

  napi_env env_;
  Environment* environment_ = nullptr;
  size_t argc_ = kArgumentsMax;
  napi_value argv_[kArgumentsMax];
};

using Function = napi_value (*)(Call&);
template <Function F>
napi_value entry(napi_env env, napi_callback_info info) {
  try {
    Call call(env, info);
    return F(call);
  } catch (const Thrown&) {
    return nullptr;
  }
}

using Exports = std::map<const char*, napi_callback>;
void add_cluster(Exports& exports);
void add_context(Exports& exports);
void add_operations(Exports& exports);
void add_pool(Exports& exports);
void add_image(Exports& exports);
void add_image_io(Exports& exports);

}  // namespace node_rados
