// Atomic operations on one object. JavaScript hands over a list of steps, [code, ...arguments]; operation-codes.ts has the
// same numbers.
#include <errno.h>

#include "call.h"

namespace node_rados {
namespace {

enum Step {
  kAssertExists = 0,
  kAssertVersion = 1,
  kCompareXattr = 2,
  kCompareOmap = 3,
  kCompareExtent = 4,
  kExec = 5,
  // writes
  kCreate = 10,
  kWrite = 11,
  kWriteFull = 12,
  kAppend = 13,
  kTruncate = 14,
  kZero = 15,
  kRemove = 16,
  kSetXattr = 17,
  kRemoveXattr = 18,
  kOmapSet = 19,
  kOmapRemove = 20,
  kOmapClear = 21,
  // reads
  kRead = 30,
  kStat = 31,
  kOmapGet = 32,
  kOmapGetByKeys = 33,
  kGetXattrs = 34,
};

struct Pointers {
  std::vector<const char*> data;
  std::vector<size_t> lengths;
  explicit Pointers(const std::vector<std::string>& strings) {
    for (const std::string& s : strings) {
      data.push_back(s.data());
      lengths.push_back(s.size());
    }
  }
};

struct WriteOp {
  rados_write_op_t op = rados_create_write_op();
  ~WriteOp() { rados_release_write_op(op); }
};

// What an answer may need to be decoded after completion. Its places must not move: librados writes into them.
struct ReadStep {
  int code = 0;
  int rc = 0;
  std::string data;
  size_t length = 0;
  uint64_t size = 0;
  time_t mtime = 0;
  rados_omap_iter_t omap = nullptr;
  rados_xattrs_iter_t xattrs = nullptr;
  unsigned char more = 0;
  char* out = nullptr;
};

struct ReadReply {
  rados_read_op_t op = nullptr;
  std::vector<std::unique_ptr<ReadStep>> steps;
  ~ReadReply() {
    for (auto& step : steps) {
      if (step->omap != nullptr) rados_omap_get_end(step->omap);
      if (step->xattrs != nullptr) rados_getxattrs_end(step->xattrs);
      rados_buffer_free(step->out);
    }
    if (op != nullptr) rados_release_read_op(op);
  }
};

std::vector<std::string> byte_strings(const Call& call, napi_value array) {
  std::vector<std::string> values;
  for (napi_value value : call.elements(array)) values.push_back(call.bytes_of(value));
  return values;
}

// -> bytes of data that the step carries
size_t add_write_step(const Call& call, rados_write_op_t op, const std::vector<napi_value>& step) {
  const auto number = [&](size_t i) { return call.number_of(step.at(i)); };
  const auto bytes = [&](size_t i) { return call.bytes_of(step.at(i)); };
  switch (static_cast<int>(number(0))) {
    case kAssertExists: rados_write_op_assert_exists(op); return 0;
    case kAssertVersion: rados_write_op_assert_version(op, static_cast<uint64_t>(number(1))); return 0;
    case kCompareXattr: {
      const std::string name = bytes(1), value = bytes(3);
      rados_write_op_cmpxattr(op, name.c_str(), static_cast<uint8_t>(number(2)), value.data(), value.size());
      return value.size();
    }
    case kCompareOmap: {
      const std::string key = bytes(1), value = bytes(3);
      rados_write_op_omap_cmp2(op, key.data(), static_cast<uint8_t>(number(2)), value.data(), key.size(), value.size(),
                               nullptr);
      return value.size();
    }
    case kCompareExtent: {
      // librados takes a reference to nothing here: the bytes are copied
      const auto [data, length] = call.span_of(step.at(2));
      rados_write_op_cmpext(op, data, length, static_cast<uint64_t>(number(1)), nullptr);
      return length;
    }
    case kExec: {
      const std::string cls = bytes(1), method = bytes(2), input = bytes(3);
      rados_write_op_exec(op, cls.c_str(), method.c_str(), input.data(), input.size(), nullptr);
      return input.size();
    }
    case kCreate:
      rados_write_op_create(op, number(1) != 0 ? LIBRADOS_CREATE_EXCLUSIVE : LIBRADOS_CREATE_IDEMPOTENT, nullptr);
      return 0;
    case kWrite: {
      const auto [data, length] = call.span_of(step.at(2));
      rados_write_op_write(op, data, length, static_cast<uint64_t>(number(1)));
      return length;
    }
    case kWriteFull: {
      const auto [data, length] = call.span_of(step.at(1));
      rados_write_op_write_full(op, data, length);
      return length;
    }
    case kAppend: {
      const auto [data, length] = call.span_of(step.at(1));
      rados_write_op_append(op, data, length);
      return length;
    }
    case kTruncate: rados_write_op_truncate(op, static_cast<uint64_t>(number(1))); return 0;
    case kZero: rados_write_op_zero(op, static_cast<uint64_t>(number(1)), static_cast<uint64_t>(number(2))); return 0;
    case kRemove: rados_write_op_remove(op); return 0;
    case kSetXattr: {
      const std::string name = bytes(1), value = bytes(2);
      rados_write_op_setxattr(op, name.c_str(), value.data(), value.size());
      return value.size();
    }
    case kRemoveXattr: rados_write_op_rmxattr(op, bytes(1).c_str()); return 0;
    case kOmapSet: {
      const auto keys = byte_strings(call, step.at(1)), values = byte_strings(call, step.at(2));
      const Pointers k(keys), v(values);
      rados_write_op_omap_set2(op, k.data.data(), v.data.data(), k.lengths.data(), v.lengths.data(), keys.size());
      size_t total = 0;
      for (size_t length : v.lengths) total += length;
      return total;
    }
    case kOmapRemove: {
      const auto keys = byte_strings(call, step.at(1));
      const Pointers k(keys);
      rados_write_op_omap_rm_keys2(op, k.data.data(), k.lengths.data(), keys.size());
      return 0;
    }
    case kOmapClear: rados_write_op_omap_clear(op); return 0;
    default: call.type_error("no such step in a write operation");
  }
}

// (context, object, steps): -> version of the object after it
napi_value operate_write(Call& call) {
  auto context = call.context(0);
  const std::string object = call.string(1);
  auto op = std::make_shared<WriteOp>();
  size_t payload = 0;
  for (napi_value step : call.elements(call.raw(2))) payload += add_write_step(call, op->op, call.elements(step));
  return call.rados<std::shared_ptr<WriteOp>>(
      "rados_write_op_operate", object, context, payload,
      [=](TaskOf<std::shared_ptr<WriteOp>>& task, rados_completion_t completion) {
        task.reply = op;
        return rados_aio_write_op_operate(op->op, context->io, completion, object.c_str(), nullptr, 0);
      },
      [](const Js& js, TaskOf<std::shared_ptr<WriteOp>>& task) { return js.number(static_cast<double>(task.version)); });
}

void add_read_step(const Call& call, ReadReply& reply, const std::vector<napi_value>& step) {
  const auto number = [&](size_t i) { return call.number_of(step.at(i)); };
  const auto bytes = [&](size_t i) { return call.bytes_of(step.at(i)); };
  reply.steps.push_back(std::make_unique<ReadStep>());
  ReadStep& s = *reply.steps.back();
  rados_read_op_t op = reply.op;
  s.code = static_cast<int>(number(0));
  switch (s.code) {
    case kAssertExists: rados_read_op_assert_exists(op); return;
    case kAssertVersion: rados_read_op_assert_version(op, static_cast<uint64_t>(number(1))); return;
    case kCompareXattr: {
      const std::string name = bytes(1), value = bytes(3);
      rados_read_op_cmpxattr(op, name.c_str(), static_cast<uint8_t>(number(2)), value.data(), value.size());
      return;
    }
    case kCompareOmap: {
      const std::string key = bytes(1), value = bytes(3);
      rados_read_op_omap_cmp2(op, key.data(), static_cast<uint8_t>(number(2)), value.data(), key.size(), value.size(),
                              nullptr);
      return;
    }
    case kExec: {
      const std::string cls = bytes(1), method = bytes(2), input = bytes(3);
      rados_read_op_exec(op, cls.c_str(), method.c_str(), input.data(), input.size(), &s.out, &s.length, &s.rc);
      return;
    }
    case kRead:
      s.data.resize(static_cast<size_t>(number(2)));
      rados_read_op_read(op, static_cast<uint64_t>(number(1)), s.data.size(), s.data.data(), &s.length, &s.rc);
      return;
    case kStat: rados_read_op_stat(op, &s.size, &s.mtime, &s.rc); return;
    case kOmapGet:
      rados_read_op_omap_get_vals2(op, bytes(1).c_str(), bytes(2).c_str(), static_cast<uint64_t>(number(3)), &s.omap,
                                   &s.more, &s.rc);
      return;
    case kOmapGetByKeys: {
      const auto keys = byte_strings(call, step.at(1));
      const Pointers k(keys);
      rados_read_op_omap_get_vals_by_keys2(op, k.data.data(), keys.size(), k.lengths.data(), &s.omap, &s.rc);
      return;
    }
    case kGetXattrs: rados_read_op_getxattrs(op, &s.xattrs, &s.rc); return;
    default: call.type_error("no such step in a read operation");
  }
}

napi_value omap_entries(const Js& js, rados_omap_iter_t omap) {
  std::vector<std::pair<std::string, std::string>> entries;
  char *key = nullptr, *value = nullptr;
  size_t key_length = 0, value_length = 0;
  while (omap != nullptr && rados_omap_get_next2(omap, &key, &value, &key_length, &value_length) == 0 && key != nullptr)
    entries.emplace_back(std::string(key, key_length), std::string(value, value_length));
  return js.string_map(entries);
}

napi_value xattr_entries(const Js& js, rados_xattrs_iter_t xattrs) {
  std::vector<std::pair<std::string, std::string>> entries;
  const char *name = nullptr, *value = nullptr;
  size_t length = 0;
  while (xattrs != nullptr && rados_getxattrs_next(xattrs, &name, &value, &length) == 0 && name != nullptr)
    entries.emplace_back(name, std::string(value, length));
  return js.string_map(entries);
}

napi_value read_answer(const Js& js, ReadStep& step) {
  switch (step.code) {
    case kRead: return js.buffer(step.data.data(), step.length);
    case kExec: return js.buffer(step.out, step.length);
    case kStat: {
      napi_value pair = js.array(2);
      js.set(pair, size_t{0}, js.number(static_cast<double>(step.size)));
      js.set(pair, size_t{1}, js.number(static_cast<double>(step.mtime)));
      return pair;
    }
    case kOmapGet:
    case kOmapGetByKeys: {
      napi_value pair = js.array(2);
      js.set(pair, size_t{0}, omap_entries(js, step.omap));
      js.set(pair, size_t{1}, js.boolean(step.more != 0));
      return pair;
    }
    case kGetXattrs: return xattr_entries(js, step.xattrs);
    default: return js.undefined();
  }
}

// (context, object, steps): -> [version, answer of each step]
napi_value operate_read(Call& call) {
  using Reply = std::shared_ptr<ReadReply>;
  auto context = call.context(0);
  const std::string object = call.string(1);
  auto reply = std::make_shared<ReadReply>();
  reply->op = rados_create_read_op();
  for (napi_value step : call.elements(call.raw(2))) add_read_step(call, *reply, call.elements(step));
  return call.rados<Reply>(
      "rados_read_op_operate", object, context, 0,
      [=](TaskOf<Reply>& task, rados_completion_t completion) {
        task.reply = reply;
        return rados_aio_read_op_operate(reply->op, context->io, completion, object.c_str(), 0);
      },
      [](const Js& js, TaskOf<Reply>& task) {
        auto& steps = task.reply->steps;
        napi_value answers = js.array(steps.size());
        for (size_t i = 0; i < steps.size(); i++) js.set(answers, i, read_answer(js, *steps[i]));
        napi_value pair = js.array(2);
        js.set(pair, size_t{0}, js.number(static_cast<double>(task.version)));
        js.set(pair, size_t{1}, answers);
        return pair;
      });
}

}  // namespace

void add_operations(Exports& exports) {
  exports["operateWrite"] = entry<operate_write>;
  exports["operateRead"] = entry<operate_read>;
}

}  // namespace node_rados
