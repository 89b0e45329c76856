// Pools with their namespaces: object listing, lockers, watch and notify.
#include <errno.h>
#include <string.h>

#include "call.h"

namespace node_rados {
namespace {

struct Opened {
  std::shared_ptr<IoContext> context;
};

// (cluster, pool name, namespace)
napi_value open_context(Call& call) {
  auto cluster = call.cluster(0);
  const std::string pool = call.string(1), name_space = call.string(2);
  Environment* environment = &call.environment();
  return call.blocking<Opened>(
      "rados_ioctx_create", pool,
      [=](Opened& reply) {
        auto context = std::make_shared<IoContext>(cluster);
        const int rc = rados_ioctx_create(cluster->rados, pool.c_str(), &context->io);
        if (rc < 0) { context->io = nullptr; return rc; }
        rados_ioctx_set_namespace(context->io, name_space.c_str());
        reply.context = std::move(context);
        return 0;
      },
      [environment](const Js& js, TaskOf<Opened>& task) {
        napi_value pair = js.array(2);
        js.set(pair, size_t{1}, js.number(static_cast<double>(rados_ioctx_get_id(task.reply.context->io))));
        js.set(pair, size_t{0}, js.number(environment->contexts.add(std::move(task.reply.context))));
        return pair;
      },
      Lane::monitors);
}

napi_value close_context(Call& call) {
  call.context(0);
  call.environment().contexts.take(call.u32(0));
  return call.js().undefined();
}

struct Names {
  std::vector<std::string> names;
};

// (context, most): -> names of the objects of this namespace
napi_value list_objects(Call& call) {
  auto context = call.context(0);
  const size_t most = static_cast<size_t>(call.number(1));
  return call.blocking<Names>(
      "rados_nobjects_list", "",
      [=](Names& reply) {
        rados_list_ctx_t list = nullptr;
        int rc = rados_nobjects_list_open(context->io, &list);
        if (rc < 0) return rc;
        const char* name = nullptr;
        while (reply.names.size() < most && (rc = rados_nobjects_list_next(list, &name, nullptr, nullptr)) == 0)
          reply.names.emplace_back(name);
        rados_nobjects_list_close(list);
        return rc == -ENOENT ? 0 : rc;
      },
      [](const Js& js, TaskOf<Names>& task) { return js.strings(task.reply.names); });
}

struct Lockers {
  int exclusive = 0;
  std::string tag;
  std::vector<std::string> clients, cookies, addresses;
};

std::vector<std::string> split(const std::string& text, ssize_t count) {
  std::vector<std::string> parts;
  for (size_t at = 0; count-- > 0 && at < text.size();) {
    parts.emplace_back(text.c_str() + at);
    at += parts.back().size() + 1;
  }
  return parts;
}

// (context, object, lock name): -> [exclusive, tag, clients, cookies, addresses]
napi_value list_lockers(Call& call) {
  auto context = call.context(0);
  const std::string object = call.string(1), name = call.string(2);
  return call.blocking<Lockers>(
      "rados_list_lockers", object,
      [=](Lockers& reply) {
        size_t tag = 256, clients = 1024, cookies = 1024, addresses = 1024;
        for (;;) {
          std::string t(tag, '\0'), c(clients, '\0'), k(cookies, '\0'), a(addresses, '\0');
          const ssize_t count =
              rados_list_lockers(context->io, object.c_str(), name.c_str(), &reply.exclusive, t.data(), &tag, c.data(),
                                 &clients, k.data(), &cookies, a.data(), &addresses);
          if (count == -ERANGE) continue;  // the sizes now say what is needed
          if (count < 0) return static_cast<int>(count);
          reply.tag = t.c_str();
          reply.clients = split(c, count);
          reply.cookies = split(k, count);
          reply.addresses = split(a, count);
          return 0;
        }
      },
      [](const Js& js, TaskOf<Lockers>& task) {
        napi_value list = js.array(5);
        js.set(list, size_t{0}, js.boolean(task.reply.exclusive != 0));
        js.set(list, size_t{1}, js.string(task.reply.tag));
        js.set(list, size_t{2}, js.strings(task.reply.clients));
        js.set(list, size_t{3}, js.strings(task.reply.cookies));
        js.set(list, size_t{4}, js.strings(task.reply.addresses));
        return list;
      });
}

// (context, object, lock name, client, cookie)
napi_value break_lock(Call& call) {
  auto context = call.context(0);
  const std::string object = call.string(1), name = call.string(2), client = call.string(3), cookie = call.string(4);
  return call.blocking<Nothing>("rados_break_lock", object, [=](Nothing&) {
    return rados_break_lock(context->io, object.c_str(), name.c_str(), client.c_str(), cookie.c_str());
  });
}

// --- watch and notify ---

enum WatchEvent { kNotify = 0, kError = 1 };

struct NotifyEvent final : Completion {
  uint32_t watcher = 0;
  uint64_t notify_id = 0, notifier_id = 0;
  int error = 0;
  std::string data;
  void deliver(Environment& environment) override {
    const Js js{environment.env()};
    napi_handle_scope scope;
    napi_open_handle_scope(js.env, &scope);
    if (error == 0) {
      environment.event({js.number(watcher), js.number(kNotify), js.bigint(notify_id), js.bigint(notifier_id),
                         js.buffer(data.data(), data.size())});
    } else {
      environment.event({js.number(watcher), js.number(kError), js.number(-error)});
    }
    napi_close_handle_scope(js.env, scope);
    delete this;
  }
};

void on_notify(void* argument, uint64_t notify_id, uint64_t, uint64_t notifier_id, void* data, size_t length) {
  auto* watch = static_cast<Watch*>(argument);
  auto* event = new NotifyEvent;
  event->watcher = watch->watcher;
  event->notify_id = notify_id;
  event->notifier_id = notifier_id;
  if (length > 0) event->data.assign(static_cast<char*>(data), length);
  watch->gate->post(event);
}

void on_watch_error(void* argument, uint64_t, int error) {
  auto* watch = static_cast<Watch*>(argument);
  auto* event = new NotifyEvent;
  event->watcher = watch->watcher;
  event->error = error == 0 ? -ENOTCONN : error;
  watch->gate->post(event);
}

struct Watched {
  std::shared_ptr<Watch> watch;
};

// (context, object, watcher number, timeout s): -> watch
napi_value watch(Call& call) {
  auto context = call.context(0);
  auto state = make_watch();
  state->context = context;
  state->gate = call.environment().gate();
  state->object = call.string(1);
  state->watcher = call.u32(2);
  const uint32_t timeout = call.u32(3);
  Environment* environment = &call.environment();
  return call.rados<Watched>(
      "rados_watch", state->object, context, 0,
      [=](TaskOf<Watched>& task, rados_completion_t completion) {
        task.reply.watch = state;
        return rados_aio_watch2(context->io, state->object.c_str(), completion, &state->cookie, on_notify, on_watch_error,
                                timeout, state.get());
      },
      [environment](const Js& js, TaskOf<Watched>& task) {
        task.reply.watch->registered = true;
        return js.number(environment->watches.add(std::move(task.reply.watch)));
      });
}

napi_value end_watch(Call& call) {
  auto state = call.environment().watches.take(call.u32(0));
  if (state == nullptr) call.fail("rados_unwatch", EBADF, "the watch is closed");
  return call.blocking<Nothing>("rados_unwatch", state->object, [state](Nothing&) { return unwatch(*state); });
}

// -> milliseconds since the watch was last known to be good, or a negative errno
napi_value check_watch(Call& call) {
  auto state = call.environment().watches.get(call.u32(0));
  if (state == nullptr) return call.js().number(-EBADF);
  return call.js().number(rados_watch_check(state->context->io, state->cookie));
}

// (watch, notify id, reply). Sent without waiting.
napi_value acknowledge(Call& call) {
  auto state = call.environment().watches.get(call.u32(0));
  if (state == nullptr) return call.js().number(-EBADF);
  const std::string reply = call.bytes(2);
  const uint64_t notify_id = call.bigint(1);
  return call.js().number(rados_notify_ack(state->context->io, state->object.c_str(), notify_id, state->cookie,
                                           reply.data(), static_cast<int>(reply.size())));
}

struct NotifyReply {
  char* data = nullptr;
  size_t length = 0;
};

napi_value notify_answers(const Js& js, NotifyReply& reply) {
  notify_ack_t* acks = nullptr;
  notify_timeout_t* timeouts = nullptr;
  size_t ack_count = 0, timeout_count = 0;
  napi_value answered = js.array(0), missing = js.array(0);
  if (reply.data != nullptr &&
      rados_decode_notify_response(reply.data, reply.length, &acks, &ack_count, &timeouts, &timeout_count) == 0) {
    for (size_t i = 0; i < ack_count; i++) {
      napi_value entry = js.array(3);
      js.set(entry, size_t{0}, js.bigint(acks[i].notifier_id));
      js.set(entry, size_t{1}, js.bigint(acks[i].cookie));
      js.set(entry, size_t{2}, js.buffer(acks[i].payload, acks[i].payload_len));
      js.set(answered, i, entry);
    }
    for (size_t i = 0; i < timeout_count; i++) {
      napi_value entry = js.array(2);
      js.set(entry, size_t{0}, js.bigint(timeouts[i].notifier_id));
      js.set(entry, size_t{1}, js.bigint(timeouts[i].cookie));
      js.set(missing, i, entry);
    }
    rados_free_notify_response(acks, ack_count, timeouts);
  }
  rados_buffer_free(reply.data);
  reply.data = nullptr;
  napi_value pair = js.array(2);
  js.set(pair, size_t{0}, answered);
  js.set(pair, size_t{1}, missing);
  return pair;
}

// (context, object, data, timeout ms): -> [answers, missing]; -ETIMEDOUT is not an error but a list of who is missing.
napi_value notify(Call& call) {
  auto context = call.context(0);
  const std::string object = call.string(1), data = call.bytes(2);
  const uint64_t timeout_ms = static_cast<uint64_t>(call.number(3));
  auto reply = std::make_shared<NotifyReply>();
  napi_value promise;
  auto* task = call.task<Nothing>("rados_notify", object, &promise, [reply](const Js& js, TaskOf<Nothing>&) {
    return notify_answers(js, *reply);
  });
  struct Flight {
    TaskOf<Nothing>* task;
    std::shared_ptr<IoContext> context;
    std::shared_ptr<NotifyReply> reply;
  };
  auto* flight = new Flight{task, context, reply};
  auto landed = [](rados_completion_t completion, void* argument) {
    auto* flight = static_cast<Flight*>(argument);
    int rc = rados_aio_get_return_value(completion);
    rados_aio_release(completion);
    if (rc == -ETIMEDOUT && flight->reply->data != nullptr) rc = 0;
    if (rc < 0) rados_buffer_free(std::exchange(flight->reply->data, nullptr));
    auto* task = flight->task;
    delete flight;
    task->finish(rc);
  };
  rados_completion_t completion = nullptr;
  int rc = rados_aio_create_completion2(flight, landed, &completion);
  if (rc == 0) {
    rc = rados_aio_notify(context->io, object.c_str(), completion, data.data(), static_cast<int>(data.size()), timeout_ms,
                          &reply->data, &reply->length);
    if (rc == 0) return promise;
    rados_aio_release(completion);
  }
  delete flight;
  task->finish(rc);
  return promise;
}

}  // namespace

void add_context(Exports& exports) {
  exports["openContext"] = entry<open_context>;
  exports["closeContext"] = entry<close_context>;
  exports["listObjects"] = entry<list_objects>;
  exports["listLockers"] = entry<list_lockers>;
  exports["breakLock"] = entry<break_lock>;
  exports["watch"] = entry<watch>;
  exports["endWatch"] = entry<end_watch>;
  exports["checkWatch"] = entry<check_watch>;
  exports["acknowledge"] = entry<acknowledge>;
  exports["notify"] = entry<notify>;
}

}  // namespace node_rados
