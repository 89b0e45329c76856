// Open images: everything but I/O.
#include <string.h>

#include "rbd-values.h"

namespace node_rados {
namespace {


void opened(rbd_completion_t completion, void* argument) {
  auto* task = static_cast<TaskOf<std::shared_ptr<Image>>*>(argument);
  const int rc = static_cast<int>(rbd_aio_get_return_value(completion));
  rbd_aio_release(completion);
  if (rc < 0) task->reply->image = nullptr;  // nothing to close
  task->finish(rc);
}

// (context, name or id, by id, snapshot or null, read only): -> image
napi_value open_image(Call& call) {
  auto context = call.context(0);
  const std::string name = call.string(1);
  const bool by_id = call.boolean(2), with_snapshot = !call.absent(3), read_only = call.boolean(4);
  const std::string snapshot = with_snapshot ? call.string(3) : "";
  Environment* environment = &call.environment();
  napi_value promise;
  auto* task = call.task<std::shared_ptr<Image>>(
      "rbd_open", name, &promise, [environment](const Js& js, TaskOf<std::shared_ptr<Image>>& t) {
        rbd_get_stripe_unit(t.reply->image, &t.reply->stripe_unit);
        return js.number(environment->images.add(std::move(t.reply)));
      });
  task->reply = make_image(context);
  task->reply->name = name;
  // Making an image's context costs librbd some milliseconds before it goes on by itself: not on this thread.
  run_blocking(Lane::osds, [=] {
    rbd_image_t* place = &task->reply->image;
    rbd_completion_t completion = nullptr;
    int rc = rbd_aio_create_completion(task, opened, &completion);
    if (rc == 0) {
      const char* snap = with_snapshot ? snapshot.c_str() : nullptr;
      if (by_id) {
        rc = read_only ? rbd_aio_open_by_id_read_only(context->io, name.c_str(), place, snap, completion)
                       : rbd_aio_open_by_id(context->io, name.c_str(), place, snap, completion);
      } else {
        rc = read_only ? rbd_aio_open_read_only(context->io, name.c_str(), place, snap, completion)
                       : rbd_aio_open(context->io, name.c_str(), place, snap, completion);
      }
      if (rc >= 0) return;
      rbd_aio_release(completion);
    }
    task->reply->image = nullptr;
    task->finish(rc);
  });
  return promise;
}

// Resolves after the I/O in flight was delivered and librbd has closed the image.
napi_value close_image(Call& call) {
  auto image = call.image(0);
  call.environment().images.take(call.u32(0));
  napi_value promise;
  auto* task = call.task<Nothing>("rbd_close", image->name, &promise, nullptr);
  image->on_closed = [task](int rc) { task->finish(rc); };
  return promise;
}

struct Facts {
  rbd_image_info_t info;
  uint64_t features = 0, stripe_unit = 0, stripe_count = 0, flags = 0, overlap = 0;
  int64_t data_pool = -1;
  char id[256] = {0};
};

napi_value stat_image(Call& call) {
  auto image = call.image(0);
  return call.blocking<Facts>(
      "rbd_stat", image->name,
      [=](Facts& f) {
        int rc = rbd_stat(image->image, &f.info, sizeof f.info);
        if (rc == 0) rc = rbd_get_features(image->image, &f.features);
        if (rc == 0) rc = rbd_get_stripe_unit(image->image, &f.stripe_unit);
        if (rc == 0) rc = rbd_get_stripe_count(image->image, &f.stripe_count);
        if (rc == 0) rc = rbd_get_flags(image->image, &f.flags);
        if (rc == 0) rc = rbd_get_overlap(image->image, &f.overlap);
        if (rc == 0) rc = rbd_get_id(image->image, f.id, sizeof f.id);
        f.data_pool = rbd_get_data_pool_id(image->image);
        return rc;
      },
      [](const Js& js, TaskOf<Facts>& task) {
        const Facts& f = task.reply;
        napi_value o = js.object();
        js.set(o, "id", js.string(f.id));
        js.set(o, "sizeBytes", js.number(static_cast<double>(f.info.size)));
        js.set(o, "objectBytes", js.number(static_cast<double>(f.info.obj_size)));
        js.set(o, "objectCount", js.number(static_cast<double>(f.info.num_objs)));
        js.set(o, "stripeUnitBytes", js.number(static_cast<double>(f.stripe_unit)));
        js.set(o, "stripeCount", js.number(static_cast<double>(f.stripe_count)));
        js.set(o, "featureBits", js.number(static_cast<double>(f.features)));
        js.set(o, "flags", js.number(static_cast<double>(f.flags)));
        js.set(o, "overlapBytes", js.number(static_cast<double>(f.overlap)));
        js.set(o, "dataPoolId", js.number(static_cast<double>(f.data_pool)));
        return o;
      });
}

struct Size {
  uint64_t bytes = 0;
};

napi_value image_size(Call& call) {
  auto image = call.image(0);
  return call.blocking<Size>(
      "rbd_get_size", image->name, [=](Size& reply) { return rbd_get_size(image->image, &reply.bytes); },
      [](const Js& js, TaskOf<Size>& task) { return js.number(static_cast<double>(task.reply.bytes)); });
}

int no_progress(uint64_t, uint64_t, void*) { return 0; }

napi_value resize_image(Call& call) {  // (image, size, allow shrink)
  auto image = call.image(0);
  const auto size = static_cast<uint64_t>(call.number(1));
  const bool shrink = call.boolean(2);
  return call.blocking<Nothing>("rbd_resize", image->name, [=](Nothing&) {
    return rbd_resize2(image->image, size, shrink, no_progress, nullptr);
  });
}

napi_value flatten_image(Call& call) {
  auto image = call.image(0);
  return call.blocking<Nothing>("rbd_flatten", image->name, [=](Nothing&) { return rbd_flatten(image->image); });
}

napi_value update_features(Call& call) {  // (image, bits, enabled)
  auto image = call.image(0);
  const auto bits = static_cast<uint64_t>(call.number(1));
  const bool enabled = call.boolean(2);
  return call.blocking<Nothing>("rbd_update_features", image->name,
                                [=](Nothing&) { return rbd_update_features(image->image, bits, enabled); });
}

// --- snapshots ---

enum SnapshotAction { kCreate = 0, kRemove = 1, kProtect = 2, kUnprotect = 3, kRollback = 4 };

napi_value snapshot_action(Call& call) {  // (image, action, name)
  auto image = call.image(0);
  const uint32_t action = call.u32(1);
  const std::string name = call.string(2);
  return call.blocking<Nothing>("rbd_snap", name, [=](Nothing&) {
    switch (action) {
      case kCreate: return rbd_snap_create(image->image, name.c_str());
      case kRemove: return rbd_snap_remove(image->image, name.c_str());
      case kProtect: return rbd_snap_protect(image->image, name.c_str());
      case kUnprotect: return rbd_snap_unprotect(image->image, name.c_str());
      case kRollback: return rbd_snap_rollback(image->image, name.c_str());
      default: return -EINVAL;
    }
  });
}

struct Snapshots {
  struct Entry {
    double id, size;
    std::string name;
    bool is_protected;
  };
  std::vector<Entry> entries;
};

napi_value list_snapshots(Call& call) {  // -> [id, size, name, protected] each
  auto image = call.image(0);
  return call.blocking<Snapshots>(
      "rbd_snap_list", image->name,
      [=](Snapshots& reply) {
        int most = 64;
        for (;;) {
          std::vector<rbd_snap_info_t> infos(static_cast<size_t>(most));
          const int count = rbd_snap_list(image->image, infos.data(), &most);
          if (count == -ERANGE) continue;
          if (count < 0) return count;
          for (int i = 0; i < count; i++) {
            int is_protected = 0;
            rbd_snap_is_protected(image->image, infos[i].name, &is_protected);
            reply.entries.push_back({static_cast<double>(infos[i].id), static_cast<double>(infos[i].size), infos[i].name,
                                     is_protected != 0});
          }
          if (count > 0) rbd_snap_list_end(infos.data());
          return 0;
        }
      },
      [](const Js& js, TaskOf<Snapshots>& task) {
        napi_value list = js.array(task.reply.entries.size());
        for (size_t i = 0; i < task.reply.entries.size(); i++) {
          const auto& e = task.reply.entries[i];
          napi_value entry = js.array(4);
          js.set(entry, size_t{0}, js.number(e.id));
          js.set(entry, size_t{1}, js.number(e.size));
          js.set(entry, size_t{2}, js.string(e.name));
          js.set(entry, size_t{3}, js.boolean(e.is_protected));
          js.set(list, i, entry);
        }
        return list;
      });
}

// --- metadata, configuration ---

struct Text {
  std::string text;
};

napi_value get_metadata(Call& call) {  // (image, key)
  auto image = call.image(0);
  const std::string key = call.string(1);
  return call.blocking<Text>(
      "rbd_metadata_get", key,
      [=](Text& reply) {
        size_t length = 1024;
        for (;;) {
          reply.text.assign(length, '\0');
          const int rc = rbd_metadata_get(image->image, key.c_str(), reply.text.data(), &length);
          if (rc == -ERANGE) continue;
          reply.text = reply.text.c_str();
          return rc;
        }
      },
      [](const Js& js, TaskOf<Text>& task) { return js.string(task.reply.text); });
}

napi_value set_metadata(Call& call) {  // (image, key, value or null to remove)
  auto image = call.image(0);
  const std::string key = call.string(1);
  const bool remove = call.absent(2);
  const std::string value = remove ? "" : call.string(2);
  return call.blocking<Nothing>("rbd_metadata_set", key, [=](Nothing&) {
    return remove ? rbd_metadata_remove(image->image, key.c_str())
                  : rbd_metadata_set(image->image, key.c_str(), value.c_str());
  });
}

napi_value image_metadata(Call& call) {
  auto image = call.image(0);
  return call.blocking<PairList>(
      "rbd_metadata_list", image->name,
      [=](PairList& reply) {
        return list_metadata(
            [&](const char* start, uint64_t most, char* keys, size_t* kl, char* values, size_t* vl) {
              return rbd_metadata_list(image->image, start, most, keys, kl, values, vl);
            },
            reply.pairs);
      },
      [](const Js& js, TaskOf<PairList>& task) { return text_pairs(js, task.reply.pairs); });
}

napi_value image_config(Call& call) {  // (image, names)
  auto image = call.image(0);
  const auto names = call.strings(1);
  return call.blocking<Config>(
      "rbd_config_image_list", image->name,
      [=](Config& reply) {
        return list_config([&](rbd_config_option_t* at, int* count) { return rbd_config_image_list(image->image, at, count); },
                           rbd_config_image_list_cleanup, names, reply);
      },
      config_value);
}

// --- the exclusive lock ---

napi_value acquire_lock(Call& call) {
  auto image = call.image(0);
  return call.blocking<Nothing>("rbd_lock_acquire", image->name,
                                [=](Nothing&) { return rbd_lock_acquire(image->image, RBD_LOCK_MODE_EXCLUSIVE); });
}

napi_value release_lock(Call& call) {
  auto image = call.image(0);
  return call.blocking<Nothing>("rbd_lock_release", image->name, [=](Nothing&) { return rbd_lock_release(image->image); });
}

struct Flag {
  int value = 0;
};

napi_value is_lock_owner(Call& call) {
  auto image = call.image(0);
  return call.blocking<Flag>(
      "rbd_is_exclusive_lock_owner", image->name,
      [=](Flag& reply) { return rbd_is_exclusive_lock_owner(image->image, &reply.value); },
      [](const Js& js, TaskOf<Flag>& task) { return js.boolean(task.reply.value != 0); });
}

struct Owners {
  std::vector<std::string> owners;
};

napi_value lock_owners(Call& call) {
  auto image = call.image(0);
  return call.blocking<Owners>(
      "rbd_lock_get_owners", image->name,
      [=](Owners& reply) {
        size_t count = 8;
        for (;;) {
          std::vector<char*> owners(count, nullptr);
          rbd_lock_mode_t mode;
          const int rc = rbd_lock_get_owners(image->image, &mode, owners.data(), &count);
          if (rc == -ERANGE) continue;
          if (rc == -ENOENT) return 0;  // nobody
          if (rc < 0) return rc;
          for (size_t i = 0; i < count; i++) reply.owners.emplace_back(owners[i]);
          rbd_lock_get_owners_cleanup(owners.data(), count);
          return 0;
        }
      },
      [](const Js& js, TaskOf<Owners>& task) { return js.strings(task.reply.owners); });
}

napi_value break_lock(Call& call) {  // (image, owner)
  auto image = call.image(0);
  const std::string owner = call.string(1);
  return call.blocking<Nothing>("rbd_lock_break", image->name, [=](Nothing&) {
    return rbd_lock_break(image->image, RBD_LOCK_MODE_EXCLUSIVE, owner.c_str());
  });
}

struct Watchers {
  struct Entry {
    std::string address;
    double id;
    uint64_t cookie;
  };
  std::vector<Entry> entries;
};

napi_value list_watchers(Call& call) {  // -> [address, client id, cookie] each
  auto image = call.image(0);
  return call.blocking<Watchers>(
      "rbd_watchers_list", image->name,
      [=](Watchers& reply) {
        size_t count = 16;
        for (;;) {
          std::vector<rbd_image_watcher_t> watchers(count);
          const int rc = rbd_watchers_list(image->image, watchers.data(), &count);
          if (rc == -ERANGE) continue;
          if (rc < 0) return rc;
          for (size_t i = 0; i < count; i++)
            reply.entries.push_back({watchers[i].addr, static_cast<double>(watchers[i].id), watchers[i].cookie});
          rbd_watchers_list_cleanup(watchers.data(), count);
          return 0;
        }
      },
      [](const Js& js, TaskOf<Watchers>& task) {
        napi_value list = js.array(task.reply.entries.size());
        for (size_t i = 0; i < task.reply.entries.size(); i++) {
          napi_value entry = js.array(3);
          js.set(entry, size_t{0}, js.string(task.reply.entries[i].address));
          js.set(entry, size_t{1}, js.number(task.reply.entries[i].id));
          js.set(entry, size_t{2}, js.bigint(task.reply.entries[i].cookie));
          js.set(list, i, entry);
        }
        return list;
      });
}

// --- updates: resize, snapshots, features ---

struct UpdateEvent final : Completion {
  uint32_t watcher = 0;
  void deliver(Environment& environment) override {
    const Js js{environment.env()};
    napi_handle_scope scope;
    napi_open_handle_scope(js.env, &scope);
    environment.event({js.number(watcher)});
    napi_close_handle_scope(js.env, scope);
    delete this;
  }
};

void on_update(void* argument) {
  auto* image = static_cast<Image*>(argument);
  auto* event = new UpdateEvent;
  event->watcher = image->watcher;
  image->gate->post(event);
}

// (image, watcher number). Ends when the image is closed.
napi_value watch_updates(Call& call) {
  auto image = call.image(0);
  image->watcher = call.u32(1);
  image->gate = call.environment().gate();
  return call.blocking<Nothing>("rbd_update_watch", image->name, [=](Nothing&) {
    const int rc = rbd_update_watch(image->image, &image->update_handle, on_update, image.get());
    image->watched = rc == 0;
    return rc;
  });
}

}  // namespace

void add_image(Exports& exports) {
  exports["openImage"] = entry<open_image>;
  exports["closeImage"] = entry<close_image>;
  exports["statImage"] = entry<stat_image>;
  exports["imageSize"] = entry<image_size>;
  exports["resizeImage"] = entry<resize_image>;
  exports["flattenImage"] = entry<flatten_image>;
  exports["updateFeatures"] = entry<update_features>;
  exports["snapshotAction"] = entry<snapshot_action>;
  exports["listSnapshots"] = entry<list_snapshots>;
  exports["getMetadata"] = entry<get_metadata>;
  exports["setMetadata"] = entry<set_metadata>;
  exports["imageMetadata"] = entry<image_metadata>;
  exports["imageConfig"] = entry<image_config>;
  exports["acquireLock"] = entry<acquire_lock>;
  exports["releaseLock"] = entry<release_lock>;
  exports["isLockOwner"] = entry<is_lock_owner>;
  exports["lockOwners"] = entry<lock_owners>;
  exports["breakImageLock"] = entry<break_lock>;
  exports["listWatchers"] = entry<list_watchers>;
  exports["watchUpdates"] = entry<watch_updates>;
}

}  // namespace node_rados
