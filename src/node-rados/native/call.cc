#include "call.h"

#include <errno.h>

namespace node_rados {

napi_value Js::undefined() const { napi_value v; napi_get_undefined(env, &v); return v; }
napi_value Js::boolean(bool value) const { napi_value v; napi_get_boolean(env, value, &v); return v; }
napi_value Js::number(double value) const { napi_value v; napi_create_double(env, value, &v); return v; }
napi_value Js::bigint(uint64_t value) const { napi_value v; napi_create_bigint_uint64(env, value, &v); return v; }
napi_value Js::string(const std::string& value) const {
  napi_value v;
  napi_create_string_utf8(env, value.data(), value.size(), &v);
  return v;
}
napi_value Js::buffer(const void* data, size_t length) const {
  napi_value v;
  napi_create_buffer_copy(env, length, length == 0 ? "" : data, nullptr, &v);
  return v;
}
napi_value Js::strings(const std::vector<std::string>& values) const {
  napi_value list = array(values.size());
  for (size_t i = 0; i < values.size(); i++) set(list, i, string(values[i]));
  return list;
}
napi_value Js::string_map(const std::vector<std::pair<std::string, std::string>>& entries) const {
  napi_value list = array(entries.size());
  for (size_t i = 0; i < entries.size(); i++) {
    napi_value pair = array(2);
    set(pair, size_t{0}, string(entries[i].first));
    set(pair, size_t{1}, buffer(entries[i].second.data(), entries[i].second.size()));
    set(list, i, pair);
  }
  return list;
}
napi_value Js::array(size_t length) const { napi_value v; napi_create_array_with_length(env, length, &v); return v; }
void Js::set(napi_value array, size_t index, napi_value value) const {
  napi_set_element(env, array, static_cast<uint32_t>(index), value);
}
napi_value Js::object() const { napi_value v; napi_create_object(env, &v); return v; }
void Js::set(napi_value object, const char* key, napi_value value) const {
  napi_set_named_property(env, object, key, value);
}

void Task::deliver(Environment& environment) {
  napi_env env = environment.env();
  napi_handle_scope scope;
  napi_open_handle_scope(env, &scope);
  if (result < 0) {
    napi_reject_deferred(env, deferred, environment.make_error(operation, -result, detail));
  } else {
    napi_resolve_deferred(env, deferred, value(Js{env}));
  }
  napi_close_handle_scope(env, scope);
  environment.end();
  delete this;
}

Call::Call(napi_env env, napi_callback_info info) : env_(env) {
  napi_get_cb_info(env, info, &argc_, argv_, nullptr, nullptr);
  void* data = nullptr;
  napi_get_instance_data(env, &data);
  environment_ = static_cast<Environment*>(data);
}

void Call::type_error(const char* message) const {
  napi_throw_type_error(env_, "ERR_INVALID_ARG_TYPE", message);
  throw Thrown{};
}

void Call::fail(const char* operation, int error, const std::string& detail) const {
  napi_throw(env_, environment_->make_error(operation, error, detail));
  throw Thrown{};
}

std::string Call::string(size_t index) const {
  size_t length = 0;
  if (napi_get_value_string_utf8(env_, argv_[index], nullptr, 0, &length) != napi_ok) type_error("a string is needed");
  std::string value(length, '\0');
  napi_get_value_string_utf8(env_, argv_[index], value.data(), length + 1, &length);
  return value;
}

double Call::number_of(napi_value v) const {
  double value = 0;
  if (napi_get_value_double(env_, v, &value) != napi_ok) type_error("a number is needed");
  return value;
}
double Call::number(size_t index) const { return number_of(argv_[index]); }

int64_t Call::integer(size_t index) const {
  int64_t value = 0;
  if (napi_get_value_int64(env_, argv_[index], &value) != napi_ok) type_error("a number is needed");
  return value;
}

uint32_t Call::u32(size_t index) const {
  uint32_t value = 0;
  if (napi_get_value_uint32(env_, argv_[index], &value) != napi_ok) type_error("a number is needed");
  return value;
}

uint64_t Call::bigint(size_t index) const {
  uint64_t value = 0;
  bool lossless = false;
  if (napi_get_value_bigint_uint64(env_, argv_[index], &value, &lossless) != napi_ok) type_error("a bigint is needed");
  return value;
}

bool Call::boolean(size_t index) const {
  bool value = false;
  napi_get_value_bool(env_, argv_[index], &value);
  return value;
}

bool Call::absent(size_t index) const {
  napi_valuetype type;
  napi_typeof(env_, argv_[index], &type);
  return type == napi_undefined || type == napi_null;
}

std::pair<char*, size_t> Call::span_of(napi_value value) const {
  void* data = nullptr;
  size_t length = 0;
  // Small arrays live in the garbage collector's heap until this call gives them memory that does not move.
  napi_typedarray_type type;
  if (napi_get_typedarray_info(env_, value, &type, &length, &data, nullptr, nullptr) != napi_ok ||
      type != napi_uint8_array)
    type_error("a Uint8Array is needed");
  return {static_cast<char*>(data), length};
}

std::string Call::bytes_of(napi_value value) const {
  napi_valuetype type;
  napi_typeof(env_, value, &type);
  if (type == napi_string) {
    size_t length = 0;
    napi_get_value_string_utf8(env_, value, nullptr, 0, &length);
    std::string text(length, '\0');
    napi_get_value_string_utf8(env_, value, text.data(), length + 1, &length);
    return text;
  }
  const auto [data, length] = span_of(value);
  return length == 0 ? std::string() : std::string(data, length);
}
std::string Call::bytes(size_t index) const { return bytes_of(argv_[index]); }

std::vector<napi_value> Call::elements(napi_value array) const {
  uint32_t length = 0;
  if (napi_get_array_length(env_, array, &length) != napi_ok) type_error("an array is needed");
  std::vector<napi_value> values(length);
  for (uint32_t i = 0; i < length; i++) napi_get_element(env_, array, i, &values[i]);
  return values;
}

std::vector<std::string> Call::strings(size_t index) const {
  std::vector<std::string> values;
  for (napi_value value : elements(argv_[index])) values.push_back(bytes_of(value));
  return values;
}

std::shared_ptr<Cluster> Call::cluster(size_t index) const {
  auto object = environment_->clusters.get(u32(index));
  if (object == nullptr) fail("node-rados", EBADF, "the cluster is closed");
  return object;
}
std::shared_ptr<IoContext> Call::context(size_t index) const {
  auto object = environment_->contexts.get(u32(index));
  if (object == nullptr) fail("node-rados", EBADF, "the I/O context is closed");
  return object;
}
std::shared_ptr<Image> Call::image(size_t index) const {
  auto object = environment_->images.get(u32(index));
  if (object == nullptr) fail("node-rados", EBADF, "the image is closed");
  return object;
}

void Call::landed(rados_completion_t completion, void* argument) {
  auto* flight = static_cast<Flight*>(argument);
  const int rc = rados_aio_get_return_value(completion);
  flight->task->version = rados_aio_get_version(completion);
  rados_aio_release(completion);
  land(flight, rc);
}

void Call::land(Flight* flight, int rc) {
  Task* task = flight->task;
  flight->context->cluster->landed(flight->payload);
  delete flight;  // the context, before the promise settles
  task->finish(rc);
}

}  // namespace node_rados
