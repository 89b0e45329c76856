// Pieces shared by the calls on pools of images and on open images.
#pragma once
#include <errno.h>
#include <rbd/librbd.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "call.h"

namespace node_rados {

using Pairs = std::vector<std::pair<std::string, std::string>>;

struct PairList {
  Pairs pairs;
};

// Zero-terminated strings one after another.
inline std::vector<std::string> zero_separated(const std::string& text, size_t length) {
  std::vector<std::string> parts;
  for (size_t at = 0; at < length;) {
    parts.emplace_back(text.c_str() + at);
    at += parts.back().size() + 1;
  }
  return parts;
}

// All key-value pairs of an image or pool; `list` is rbd_metadata_list or rbd_pool_metadata_list.
template <class List>
int list_metadata(List list, Pairs& pairs) {
  constexpr uint64_t kPage = 64;
  std::string start;
  size_t key_room = 4096, value_room = 65536;
  for (;;) {
    std::string keys(key_room, '\0'), values(value_room, '\0');
    size_t keys_length = key_room, values_length = value_room;
    const int rc = list(start.c_str(), kPage, keys.data(), &keys_length, values.data(), &values_length);
    if (rc == -ERANGE) {
      key_room *= 4;
      value_room *= 4;
      continue;
    }
    if (rc < 0) return rc;
    const auto k = zero_separated(keys, keys_length), v = zero_separated(values, values_length);
    for (size_t i = 0; i < k.size() && i < v.size(); i++) pairs.emplace_back(k[i], v[i]);
    if (k.size() < kPage) return 0;
    start = k.back();
  }
}

struct Config {
  struct Option {
    std::string name, value;
    int source;
  };
  std::vector<Option> options;
};

// Effective configuration, of the options in `names` or of all when there are none there; `list` and `cleanup` are those of
// images or pools.
template <class List, class Cleanup>
int list_config(List list, Cleanup cleanup, const std::vector<std::string>& names, Config& config) {
  const auto wanted = [&](const char* name) {
    return names.empty() || std::find(names.begin(), names.end(), name) != names.end();
  };
  int count = 256;
  for (;;) {
    std::vector<rbd_config_option_t> options(static_cast<size_t>(count));
    const int rc = list(options.data(), &count);
    if (rc == -ERANGE) continue;  // count now says how many there are
    if (rc < 0) return rc;
    for (int i = 0; i < count; i++)
      if (wanted(options[i].name))
        config.options.push_back({options[i].name, options[i].value, static_cast<int>(options[i].source)});
    cleanup(options.data(), count);
    return 0;
  }
}

inline napi_value config_value(const Js& js, TaskOf<Config>& task) {
  napi_value list = js.array(task.reply.options.size());
  for (size_t i = 0; i < task.reply.options.size(); i++) {
    const auto& option = task.reply.options[i];
    napi_value entry = js.array(3);
    js.set(entry, size_t{0}, js.string(option.name));
    js.set(entry, size_t{1}, js.string(option.value));
    js.set(entry, size_t{2}, js.number(option.source));
    js.set(list, i, entry);
  }
  return list;
}

inline napi_value text_pairs(const Js& js, const Pairs& pairs) {
  napi_value list = js.array(pairs.size());
  for (size_t i = 0; i < pairs.size(); i++) {
    napi_value pair = js.array(2);
    js.set(pair, size_t{0}, js.string(pairs[i].first));
    js.set(pair, size_t{1}, js.string(pairs[i].second));
    js.set(list, i, pair);
  }
  return list;
}

// Creation options from a flat list [option number, value, ...]; strings and numbers as librbd wants them.
class ImageOptions {
 public:
  struct Entry {
    int option;
    bool text;
    std::string string;
    uint64_t number;
  };
  static std::vector<Entry> parse(const Call& call, size_t index) {
    std::vector<Entry> entries;
    const auto flat = call.elements(call.raw(index));
    for (size_t i = 0; i + 1 < flat.size(); i += 2) {
      Entry entry{static_cast<int>(call.number_of(flat[i])), false, "", 0};
      napi_valuetype type;
      napi_typeof(call.js().env, flat[i + 1], &type);
      entry.text = type == napi_string;
      if (entry.text) entry.string = call.bytes_of(flat[i + 1]);
      else entry.number = static_cast<uint64_t>(call.number_of(flat[i + 1]));
      entries.push_back(entry);
    }
    return entries;
  }
  explicit ImageOptions(const std::vector<Entry>& entries) {
    rbd_image_options_create(&options_);
    for (const Entry& e : entries) {
      const int rc = e.text ? rbd_image_options_set_string(options_, e.option, e.string.c_str())
                            : rbd_image_options_set_uint64(options_, e.option, e.number);
      if (rc < 0) error_ = rc;
    }
  }
  ~ImageOptions() { rbd_image_options_destroy(options_); }
  ImageOptions(const ImageOptions&) = delete;
  ImageOptions& operator=(const ImageOptions&) = delete;
  rbd_image_options_t get() const { return options_; }
  int error() const { return error_; }

 private:
  rbd_image_options_t options_ = nullptr;
  int error_ = 0;
};

}  // namespace node_rados
