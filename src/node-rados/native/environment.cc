#include "environment.h"

#include <sys/uio.h>

#include <chrono>
#include <thread>

#include "thread-pool.h"

namespace node_rados {
namespace {

constexpr auto kTeardownWait = std::chrono::seconds(5);

}  // namespace

void Gate::post(Completion* completion) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (environment_ != nullptr) {
      environment_->post(completion);
      return;
    }
  }
  // May hold the last reference to something; its deleter moves to the pool by itself.
  delete completion;
}

void Gate::close() {
  std::lock_guard<std::mutex> lock(mutex_);
  environment_ = nullptr;
}

void IoRequest::deliver(Environment& owner) {
  owner.record_io(this);
  owner.end();
}

Environment* Environment::create(napi_env env) {
  auto* self = new Environment(env);
  napi_value name;
  napi_create_string_utf8(env, "node-rados", NAPI_AUTO_LENGTH, &name);
  if (napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, self, on_wake, &self->wake_) !=
      napi_ok) {
    delete self;
    return nullptr;
  }
  napi_unref_threadsafe_function(env, self->wake_);
  // Runs before the thread-safe function's own hook: later ones go first.
  napi_add_env_cleanup_hook(env, on_teardown, self);
  return self;
}

void Environment::setup(napi_value batch, napi_value on_io, napi_value on_event, napi_value make_error) {
  void* data = nullptr;
  size_t length = 0;
  napi_get_typedarray_info(env_, batch, nullptr, &length, &data, nullptr, nullptr);
  batch_ = static_cast<double*>(data);
  batch_capacity_ = length / 3;
  napi_create_reference(env_, batch, 1, &batch_ref_);
  napi_create_reference(env_, on_io, 1, &on_io_);
  napi_create_reference(env_, on_event, 1, &on_event_);
  napi_create_reference(env_, make_error, 1, &make_error_);
}

void Environment::call(napi_ref function, size_t argc, const napi_value* argv) {
  napi_value callee, receiver, result;
  napi_get_reference_value(env_, function, &callee);
  napi_get_undefined(env_, &receiver);
  if (napi_call_function(env_, receiver, callee, argc, argv, &result) == napi_pending_exception) {
    napi_value error;
    napi_get_and_clear_last_exception(env_, &error);
    napi_fatal_exception(env_, error);
  }
}

napi_value Environment::make_error(const char* operation, int error, const std::string& detail) {
  napi_value callee, receiver, result = nullptr, argv[3];
  napi_get_reference_value(env_, make_error_, &callee);
  napi_get_undefined(env_, &receiver);
  napi_create_string_utf8(env_, operation, NAPI_AUTO_LENGTH, &argv[0]);
  napi_create_int32(env_, error, &argv[1]);
  napi_create_string_utf8(env_, detail.data(), detail.size(), &argv[2]);
  napi_call_function(env_, receiver, callee, 3, argv, &result);
  return result;
}

void Environment::event(std::vector<napi_value> arguments) {
  flush_batch();
  call(on_event_, arguments.size(), arguments.data());
}

void Environment::begin() {
  if (pending_++ == 0) napi_ref_threadsafe_function(env_, wake_);
}

void Environment::end() {
  if (--pending_ == 0) napi_unref_threadsafe_function(env_, wake_);
}

IoRequest* Environment::take_request() {
  io_outstanding_.fetch_add(1, std::memory_order_relaxed);
  begin();
  if (free_requests_.empty()) {
    auto* request = new IoRequest;
    request->environment = this;
    return request;
  }
  IoRequest* request = free_requests_.back();
  free_requests_.pop_back();
  return request;
}

void Environment::give_back(IoRequest* request) {
  io_outstanding_.fetch_sub(1, std::memory_order_relaxed);
  end();
  request->image.reset();
  free_requests_.push_back(request);
}

void Environment::finish_io(IoRequest* request) {
  post(request);
  io_outstanding_.fetch_sub(1, std::memory_order_release);
}

void Environment::record_io(IoRequest* request) {
  double* entry = batch_ + 3 * batch_count_;
  entry[0] = request->slot;
  entry[1] = static_cast<double>(request->result);
  entry[2] = static_cast<double>(request->mismatch);
  request->image.reset();
  free_requests_.push_back(request);
  if (++batch_count_ == batch_capacity_) flush_batch();
}

void Environment::post(Completion* completion) {
  Completion* head = finished_.load(std::memory_order_relaxed);
  do {
    completion->next = head;
  } while (!finished_.compare_exchange_weak(head, completion, std::memory_order_release, std::memory_order_relaxed));
  // Only the first of a batch wakes the loop; the others are found by the same turn.
  if (head == nullptr) napi_call_threadsafe_function(wake_, nullptr, napi_tsfn_nonblocking);
}

void Environment::on_wake(napi_env env, napi_value, void* context, void*) {
  if (env == nullptr) return;  // the environment is going
  static_cast<Environment*>(context)->drain();
}

void Environment::drain() {
  Completion* stack = finished_.exchange(nullptr, std::memory_order_acquire);
  Completion* first = nullptr;
  while (stack != nullptr) {  // oldest first
    Completion* next = stack->next;
    stack->next = first;
    first = stack;
    stack = next;
  }
  while (first != nullptr) {
    Completion* next = first->next;
    first->deliver(*this);
    first = next;
  }
  flush_batch();
}

void Environment::flush_batch() {
  if (batch_count_ == 0) return;
  napi_handle_scope scope;
  napi_open_handle_scope(env_, &scope);
  napi_value count;
  napi_create_uint32(env_, static_cast<uint32_t>(batch_count_), &count);
  batch_count_ = 0;
  call(on_io_, 1, &count);
  napi_close_handle_scope(env_, scope);
}

// The environment ends: a worker was terminated, or the process has nothing left to do. JavaScript's memory goes next, so
// every I/O that may touch it is waited for; then everything open is closed, on the pool.
void Environment::on_teardown(void* pointer) {
  auto* self = static_cast<Environment*>(pointer);
  while (self->io_outstanding_.load(std::memory_order_acquire) != 0)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  self->gate_->close();
  Completion* completion = self->finished_.exchange(nullptr, std::memory_order_acquire);
  while (completion != nullptr) {
    Completion* next = completion->next;
    delete completion;
    completion = next;
  }
  for (IoRequest* request : self->free_requests_) delete request;
  for (napi_ref reference : {self->batch_ref_, self->on_io_, self->on_event_, self->make_error_})
    if (reference != nullptr) napi_delete_reference(self->env_, reference);

  // Released by the clusters' own ends; waited for, but not for ever: the cluster may be away.
  struct Ends {
    std::mutex mutex;
    size_t left = 0;
  };
  auto ends = std::make_shared<Ends>();
  {
    auto clusters = self->clusters.take_all();
    ends->left = clusters.size();
    for (auto& cluster : clusters) {
      cluster->on_closed = [ends](int) {
        std::lock_guard<std::mutex> lock(ends->mutex);
        ends->left--;
      };
    }
    self->watches.take_all();
    self->images.take_all();
    self->contexts.take_all();
  }
  const auto until = std::chrono::steady_clock::now() + kTeardownWait;
  for (;;) {
    {
      std::lock_guard<std::mutex> lock(ends->mutex);
      if (ends->left == 0) break;
    }
    if (std::chrono::steady_clock::now() > until) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  delete self;
}

}  // namespace node_rados
