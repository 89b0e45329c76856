// The addon's entry: one Environment for each JavaScript environment that loads it.
#include "call.h"

namespace {

napi_value init(napi_env env, napi_value exports) {
  using namespace node_rados;
  Environment* environment = Environment::create(env);
  if (environment == nullptr) return nullptr;
  napi_set_instance_data(env, environment, nullptr, nullptr);
  Exports functions;
  add_cluster(functions);
  add_context(functions);
  add_operations(functions);
  add_pool(functions);
  add_image(functions);
  add_image_io(functions);
  for (const auto& [name, callback] : functions) {
    napi_value function;
    napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, nullptr, &function);
    napi_set_named_property(env, exports, name, function);
  }
  return exports;
}

}  // namespace

NAPI_MODULE(node_rados, init)
