// Images of a pool and namespace, without opening them: create, clone, remove, trash, list, namespaces, configuration.
#include "rbd-values.h"

namespace node_rados {
namespace {

napi_value create_image(Call& call) {  // (context, name, size, options)
  auto context = call.context(0);
  const std::string name = call.string(1);
  const auto size = static_cast<uint64_t>(call.number(2));
  const auto entries = ImageOptions::parse(call, 3);
  return call.blocking<Nothing>("rbd_create", name, [=](Nothing&) {
    const ImageOptions options(entries);
    if (options.error() < 0) return options.error();
    return rbd_create4(context->io, name.c_str(), size, options.get());
  });
}

napi_value clone_image(Call& call) {  // (parent context, parent, snapshot, context, name, options)
  auto parent = call.context(0), context = call.context(3);
  const std::string parent_name = call.string(1), snapshot = call.string(2), name = call.string(4);
  const auto entries = ImageOptions::parse(call, 5);
  return call.blocking<Nothing>("rbd_clone", name, [=](Nothing&) {
    const ImageOptions options(entries);
    if (options.error() < 0) return options.error();
    return rbd_clone3(parent->io, parent_name.c_str(), snapshot.c_str(), context->io, name.c_str(), options.get());
  });
}

napi_value remove_image(Call& call) {
  auto context = call.context(0);
  const std::string name = call.string(1);
  return call.blocking<Nothing>("rbd_remove", name, [=](Nothing&) { return rbd_remove(context->io, name.c_str()); });
}

napi_value rename_image(Call& call) {
  auto context = call.context(0);
  const std::string from = call.string(1), to = call.string(2);
  return call.blocking<Nothing>("rbd_rename", from,
                                [=](Nothing&) { return rbd_rename(context->io, from.c_str(), to.c_str()); });
}

napi_value list_images(Call& call) {  // -> [name, id] each
  auto context = call.context(0);
  return call.blocking<PairList>(
      "rbd_list", "",
      [=](PairList& reply) {
        size_t count = 256;
        for (;;) {
          std::vector<rbd_image_spec_t> specs(count);
          const int rc = rbd_list2(context->io, specs.data(), &count);
          if (rc == -ERANGE) continue;
          if (rc < 0) return rc;
          for (size_t i = 0; i < count; i++) reply.pairs.emplace_back(specs[i].name, specs[i].id);
          rbd_image_spec_list_cleanup(specs.data(), count);
          return 0;
        }
      },
      [](const Js& js, TaskOf<PairList>& task) { return text_pairs(js, task.reply.pairs); });
}

napi_value trash_move(Call& call) {  // (context, name, delay s)
  auto context = call.context(0);
  const std::string name = call.string(1);
  const auto delay = static_cast<uint64_t>(call.number(2));
  return call.blocking<Nothing>("rbd_trash_move", name,
                                [=](Nothing&) { return rbd_trash_move(context->io, name.c_str(), delay); });
}

napi_value trash_remove(Call& call) {  // (context, id, force)
  auto context = call.context(0);
  const std::string id = call.string(1);
  const bool force = call.boolean(2);
  return call.blocking<Nothing>("rbd_trash_remove", id,
                                [=](Nothing&) { return rbd_trash_remove(context->io, id.c_str(), force); });
}

napi_value trash_restore(Call& call) {  // (context, id, name)
  auto context = call.context(0);
  const std::string id = call.string(1), name = call.string(2);
  return call.blocking<Nothing>("rbd_trash_restore", id,
                                [=](Nothing&) { return rbd_trash_restore(context->io, id.c_str(), name.c_str()); });
}

struct Trash {
  struct Entry {
    std::string id, name;
    double deleted, deferred_until;
  };
  std::vector<Entry> entries;
};

napi_value trash_list(Call& call) {  // -> [id, name, deletion s, deferment end s] each
  auto context = call.context(0);
  return call.blocking<Trash>(
      "rbd_trash_list", "",
      [=](Trash& reply) {
        size_t count = 256;
        for (;;) {
          std::vector<rbd_trash_image_info_t> infos(count);
          const int rc = rbd_trash_list(context->io, infos.data(), &count);
          if (rc == -ERANGE) continue;
          if (rc < 0) return rc;
          for (size_t i = 0; i < count; i++)
            reply.entries.push_back({infos[i].id, infos[i].name, static_cast<double>(infos[i].deletion_time),
                                     static_cast<double>(infos[i].deferment_end_time)});
          rbd_trash_list_cleanup(infos.data(), count);
          return 0;
        }
      },
      [](const Js& js, TaskOf<Trash>& task) {
        napi_value list = js.array(task.reply.entries.size());
        for (size_t i = 0; i < task.reply.entries.size(); i++) {
          const auto& e = task.reply.entries[i];
          napi_value entry = js.array(4);
          js.set(entry, size_t{0}, js.string(e.id));
          js.set(entry, size_t{1}, js.string(e.name));
          js.set(entry, size_t{2}, js.number(e.deleted));
          js.set(entry, size_t{3}, js.number(e.deferred_until));
          js.set(list, i, entry);
        }
        return list;
      });
}

napi_value create_namespace(Call& call) {
  auto context = call.context(0);
  const std::string name = call.string(1);
  return call.blocking<Nothing>("rbd_namespace_create", name,
                                [=](Nothing&) { return rbd_namespace_create(context->io, name.c_str()); });
}

napi_value remove_namespace(Call& call) {
  auto context = call.context(0);
  const std::string name = call.string(1);
  return call.blocking<Nothing>("rbd_namespace_remove", name,
                                [=](Nothing&) { return rbd_namespace_remove(context->io, name.c_str()); });
}

struct Strings {
  std::vector<std::string> strings;
};

napi_value list_namespaces(Call& call) {
  auto context = call.context(0);
  return call.blocking<Strings>(
      "rbd_namespace_list", "",
      [=](Strings& reply) {
        size_t size = 4096;
        for (;;) {
          std::string names(size, '\0');
          const int rc = rbd_namespace_list(context->io, names.data(), &size);
          if (rc == -ERANGE) continue;
          if (rc < 0) return rc;
          reply.strings = zero_separated(names, size);
          return 0;
        }
      },
      [](const Js& js, TaskOf<Strings>& task) { return js.strings(task.reply.strings); });
}

napi_value init_pool(Call& call) {  // (context, force)
  auto context = call.context(0);
  const bool force = call.boolean(1);
  return call.blocking<Nothing>("rbd_pool_init", "", [=](Nothing&) { return rbd_pool_init(context->io, force); });
}

napi_value pool_config(Call& call) {  // (context, names)
  auto context = call.context(0);
  const auto names = call.strings(1);
  return call.blocking<Config>(
      "rbd_config_pool_list", "",
      [=](Config& reply) {
        return list_config([&](rbd_config_option_t* at, int* count) { return rbd_config_pool_list(context->io, at, count); },
                           rbd_config_pool_list_cleanup, names, reply);
      },
      config_value);
}

napi_value pool_metadata(Call& call) {
  auto context = call.context(0);
  return call.blocking<PairList>(
      "rbd_pool_metadata_list", "",
      [=](PairList& reply) {
        return list_metadata(
            [&](const char* start, uint64_t most, char* keys, size_t* kl, char* values, size_t* vl) {
              return rbd_pool_metadata_list(context->io, start, most, keys, kl, values, vl);
            },
            reply.pairs);
      },
      [](const Js& js, TaskOf<PairList>& task) { return text_pairs(js, task.reply.pairs); });
}

napi_value set_pool_metadata(Call& call) {  // (context, key, value or null to remove)
  auto context = call.context(0);
  const std::string key = call.string(1);
  const bool remove = call.absent(2);
  const std::string value = remove ? "" : call.string(2);
  return call.blocking<Nothing>("rbd_pool_metadata_set", key, [=](Nothing&) {
    return remove ? rbd_pool_metadata_remove(context->io, key.c_str())
                  : rbd_pool_metadata_set(context->io, key.c_str(), value.c_str());
  });
}

}  // namespace

void add_pool(Exports& exports) {
  exports["createImage"] = entry<create_image>;
  exports["cloneImage"] = entry<clone_image>;
  exports["removeImage"] = entry<remove_image>;
  exports["renameImage"] = entry<rename_image>;
  exports["listImages"] = entry<list_images>;
  exports["trashMove"] = entry<trash_move>;
  exports["trashRemove"] = entry<trash_remove>;
  exports["trashRestore"] = entry<trash_restore>;
  exports["trashList"] = entry<trash_list>;
  exports["createNamespace"] = entry<create_namespace>;
  exports["removeNamespace"] = entry<remove_namespace>;
  exports["listNamespaces"] = entry<list_namespaces>;
  exports["initPool"] = entry<init_pool>;
  exports["poolConfig"] = entry<pool_config>;
  exports["poolMetadata"] = entry<pool_metadata>;
  exports["setPoolMetadata"] = entry<set_pool_metadata>;
}

}  // namespace node_rados
