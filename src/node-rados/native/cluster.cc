// RADOS clients: connection, commands, own addresses, blocklist, pools.
#include <errno.h>
#include <string.h>

#include "call.h"

namespace node_rados {
namespace {

// Reads text whose size is only known by trying: `read` returns -ERANGE, or more than the room given, until it fits.
std::string growing(const std::function<int(char*, size_t)>& read, int* rc) {
  std::string text(256, '\0');
  for (;;) {
    *rc = read(text.data(), text.size());
    if (*rc == -ERANGE || *rc == -ENAMETOOLONG || *rc > static_cast<int>(text.size())) {
      text.resize(text.size() * 4);
      continue;
    }
    return text;
  }
}

struct Connected {
  std::shared_ptr<Cluster> cluster;
};

// (cluster name, user "client.x", conf file or null, options as [key, value, ...])
napi_value connect(Call& call) {
  const std::string cluster_name = call.string(0), user = call.string(1);
  const bool with_file = !call.absent(2);
  const std::string file = with_file ? call.string(2) : "";
  const auto options = call.strings(3);
  Environment* environment = &call.environment();
  return call.blocking<Connected>(
      "rados_connect", file,
      [=](Connected& reply) {
        auto cluster = make_cluster();
        int rc = rados_create2(&cluster->rados, cluster_name.c_str(), user.c_str(), 0);
        if (rc < 0) { cluster->rados = nullptr; return rc; }
        if (with_file) rc = rados_conf_read_file(cluster->rados, file.c_str());
        for (size_t i = 0; rc == 0 && i + 1 < options.size(); i += 2)
          rc = rados_conf_set(cluster->rados, options[i].c_str(), options[i + 1].c_str());
        if (rc == 0) rc = rados_connect(cluster->rados);
        if (rc < 0) return rc;
        cluster->connected = true;
        count_connected(1);
        reply.cluster = std::move(cluster);
        return 0;
      },
      [environment](const Js& js, TaskOf<Connected>& task) {
        return js.number(environment->clusters.add(std::move(task.reply.cluster)));
      },
      Lane::monitors);
}

// Resolves after everything in flight on the cluster has ended and the client is shut down.
napi_value close(Call& call) {
  auto cluster = call.cluster(0);
  call.environment().clusters.take(call.u32(0));
  napi_value promise;
  auto* task = call.task<Nothing>("rados_shutdown", "", &promise, nullptr);
  cluster->on_closed = [task](int rc) { task->finish(rc); };
  return promise;
}

napi_value addresses(Call& call) {
  auto cluster = call.cluster(0);
  char* text = nullptr;
  const int rc = rados_getaddrs(cluster->rados, &text);
  if (rc < 0) call.fail("rados_getaddrs", -rc, "");
  const std::string value(text);
  free(text);
  return call.js().string(value);
}

napi_value fsid(Call& call) {
  auto cluster = call.cluster(0);
  char text[64] = {0};
  const int rc = rados_cluster_fsid(cluster->rados, text, sizeof text);
  if (rc < 0) call.fail("rados_cluster_fsid", -rc, "");
  return call.js().string(text);
}

napi_value instance_id(Call& call) { return call.js().bigint(rados_get_instance_id(call.cluster(0)->rados)); }

napi_value config_get(Call& call) {
  auto cluster = call.cluster(0);
  const std::string key = call.string(1);
  int rc = 0;
  const std::string text =
      growing([&](char* at, size_t room) { return rados_conf_get(cluster->rados, key.c_str(), at, room); }, &rc);
  if (rc < 0) call.fail("rados_conf_get", -rc, key);
  return call.js().string(text.c_str());
}

napi_value wait_for_latest_osdmap(Call& call) {
  auto cluster = call.cluster(0);
  return call.blocking<Nothing>("rados_wait_for_latest_osdmap", "",
                                [=](Nothing&) { return rados_wait_for_latest_osdmap(cluster->rados); }, nullptr,
                                Lane::monitors);
}

struct CommandReply {
  std::string output, status;
};

using Command = int (*)(rados_t, const char**, size_t, const char*, size_t, char**, size_t*, char**, size_t*);

// (cluster, JSON text, input): -> [output, status]
template <Command F>
napi_value command(Call& call, const char* name) {
  auto cluster = call.cluster(0);
  const std::string text = call.string(1), input = call.bytes(2);
  napi_value promise;
  auto* t = call.task<CommandReply>(name, "", &promise, [](const Js& js, TaskOf<CommandReply>& task) {
    napi_value pair = js.array(2);
    js.set(pair, size_t{0}, js.buffer(task.reply.output.data(), task.reply.output.size()));
    js.set(pair, size_t{1}, js.string(task.reply.status));
    return pair;
  });
  run_blocking(Lane::monitors, [=]() mutable {
    const char* commands[] = {text.c_str()};
    char *out = nullptr, *status = nullptr;
    size_t out_length = 0, status_length = 0;
    const int rc = F(cluster->rados, commands, 1, input.data(), input.size(), &out, &out_length, &status, &status_length);
    if (out != nullptr) t->reply.output.assign(out, out_length);
    if (status != nullptr) t->reply.status.assign(status, status_length);
    rados_buffer_free(out);
    rados_buffer_free(status);
    if (rc < 0) t->detail = t->reply.status;
    cluster.reset();
    t->finish(rc);
  });
  return promise;
}
napi_value mon_command(Call& call) { return command<rados_mon_command>(call, "rados_mon_command"); }
napi_value mgr_command(Call& call) { return command<rados_mgr_command>(call, "rados_mgr_command"); }

struct Text {
  std::string text;
};

std::vector<std::string> split(const std::string& text) {  // zero-terminated strings one after another, an empty one last
  std::vector<std::string> parts;
  for (size_t at = 0; at < text.size() && text[at] != '\0';) {
    parts.emplace_back(text.c_str() + at);
    at += parts.back().size() + 1;
  }
  return parts;
}

napi_value list_pools(Call& call) {
  auto cluster = call.cluster(0);
  return call.blocking<Text>(
      "rados_pool_list", "",
      [=](Text& reply) {
        int rc = 0;
        reply.text = growing([&](char* at, size_t room) { return rados_pool_list(cluster->rados, at, room); }, &rc);
        return rc < 0 ? rc : 0;
      },
      [](const Js& js, TaskOf<Text>& task) { return js.strings(split(task.reply.text)); },
      Lane::monitors);
}

struct Number {
  double value = 0;
};

napi_value lookup_pool(Call& call) {
  auto cluster = call.cluster(0);
  const std::string pool = call.string(1);
  return call.blocking<Number>(
      "rados_pool_lookup", pool,
      [=](Number& reply) {
        const int64_t id = rados_pool_lookup(cluster->rados, pool.c_str());
        reply.value = static_cast<double>(id);
        return id < 0 ? static_cast<int>(id) : 0;
      },
      [](const Js& js, TaskOf<Number>& task) { return js.number(task.reply.value); },
      Lane::monitors);
}

napi_value create_pool(Call& call) {
  auto cluster = call.cluster(0);
  const std::string pool = call.string(1);
  return call.blocking<Nothing>("rados_pool_create", pool,
                                [=](Nothing&) { return rados_pool_create(cluster->rados, pool.c_str()); }, nullptr,
                                Lane::monitors);
}

napi_value delete_pool(Call& call) {
  auto cluster = call.cluster(0);
  const std::string pool = call.string(1);
  return call.blocking<Nothing>("rados_pool_delete", pool,
                                [=](Nothing&) { return rados_pool_delete(cluster->rados, pool.c_str()); }, nullptr,
                                Lane::monitors);
}

// (batch array, on I/O, on event, make error)
napi_value setup(Call& call) {
  call.environment().setup(call.raw(0), call.raw(1), call.raw(2), call.raw(3));
  return call.js().undefined();
}

napi_value versions(Call& call) {
  int major = 0, minor = 0, extra = 0;
  auto text = [&] { return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(extra); };
  napi_value pair = call.js().array(2);
  rados_version(&major, &minor, &extra);
  call.js().set(pair, size_t{0}, call.js().string(text()));
  rbd_version(&major, &minor, &extra);
  call.js().set(pair, size_t{1}, call.js().string(text()));
  return pair;
}

}  // namespace

void add_cluster(Exports& exports) {
  exports["setup"] = entry<setup>;
  exports["versions"] = entry<versions>;
  exports["connect"] = entry<connect>;
  exports["closeCluster"] = entry<close>;
  exports["addresses"] = entry<addresses>;
  exports["fsid"] = entry<fsid>;
  exports["instanceId"] = entry<instance_id>;
  exports["configGet"] = entry<config_get>;
  exports["waitForLatestOsdMap"] = entry<wait_for_latest_osdmap>;
  exports["monCommand"] = entry<mon_command>;
  exports["mgrCommand"] = entry<mgr_command>;
  exports["listPools"] = entry<list_pools>;
  exports["lookupPool"] = entry<lookup_pool>;
  exports["createPool"] = entry<create_pool>;
  exports["deletePool"] = entry<delete_pool>;
}

}  // namespace node_rados
