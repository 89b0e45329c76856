// The data path. Each call takes a slot number that comes back with the result; returns 0, or a negative errno when nothing
// was started. The typed layer keeps the buffers referenced until then; librbd reads and writes their memory in place.
#include <errno.h>
#include <sys/uio.h>

#include "call.h"

namespace node_rados {
namespace {

// librbd (16 to 20) reports the image offset of "start of the object plus the difference's place in the extent". An extent
// lies in one stripe unit, so the place is what is left of it modulo the stripe unit; else take it for an image offset.
uint64_t mismatch_in_extent(const IoRequest& request) {
  const uint64_t place = request.image->stripe_unit == 0 ? 0 : request.mismatch % request.image->stripe_unit;
  return place < request.length ? place : request.mismatch - request.offset;
}

void completed(rbd_completion_t completion, void* argument) {
  auto* request = static_cast<IoRequest*>(argument);
  request->result = rbd_aio_get_return_value(completion);
  rbd_aio_release(completion);
  if (request->result == -EILSEQ) request->mismatch = mismatch_in_extent(*request);
  request->environment->finish_io(request);
}

// `start` hands the completion to librbd.
template <class Start>
napi_value submit(Call& call, size_t slot_index, Start start) {
  Environment& environment = call.environment();
  const std::shared_ptr<Image>& image = environment.images.get(call.u32(0));
  if (image == nullptr) return call.js().number(-EBADF);
  const uint32_t slot = call.u32(slot_index);
  IoRequest* request = environment.take_request();
  request->image = image;
  request->slot = slot;
  request->mismatch = 0;
  rbd_completion_t completion = nullptr;
  int rc = rbd_aio_create_completion(request, completed, &completion);
  if (rc == 0) {
    rc = static_cast<int>(start(image->image, *request, completion));
    if (rc >= 0) return call.js().number(0);
    rbd_aio_release(completion);
  }
  environment.give_back(request);
  return call.js().number(rc);
}

// A Uint8Array's memory; false for anything else.
bool memory_of(const Call& call, napi_value value, struct iovec* memory) {
  napi_typedarray_type type;
  void* data = nullptr;
  size_t length = 0;
  if (napi_get_typedarray_info(call.js().env, value, &type, &length, &data, nullptr, nullptr) != napi_ok) return false;
  *memory = {data, length};
  return type == napi_uint8_array;
}

napi_value invalid(const Call& call) { return call.js().number(-EINVAL); }

napi_value read(Call& call) {  // (image, offset, buffer, slot)
  const auto offset = static_cast<uint64_t>(call.integer(1));
  struct iovec data;
  if (!memory_of(call, call.raw(2), &data)) return invalid(call);
  return submit(call, 3, [&](rbd_image_t image, IoRequest&, rbd_completion_t c) {
    return rbd_aio_read(image, offset, data.iov_len, static_cast<char*>(data.iov_base), c);
  });
}

napi_value write(Call& call) {  // (image, offset, buffer, slot)
  const auto offset = static_cast<uint64_t>(call.integer(1));
  struct iovec data;
  if (!memory_of(call, call.raw(2), &data)) return invalid(call);
  return submit(call, 3, [&](rbd_image_t image, IoRequest&, rbd_completion_t c) {
    return rbd_aio_write(image, offset, data.iov_len, static_cast<const char*>(data.iov_base), c);
  });
}

bool gather(const Call& call, napi_value buffers, std::vector<struct iovec>& iov) {
  uint32_t length = 0;
  if (napi_get_array_length(call.js().env, buffers, &length) != napi_ok) return false;
  iov.resize(length);
  for (uint32_t i = 0; i < length; i++) {
    napi_value buffer;
    napi_get_element(call.js().env, buffers, i, &buffer);
    if (!memory_of(call, buffer, &iov[i])) return false;
  }
  return true;
}

napi_value readv(Call& call) {  // (image, offset, buffers, slot)
  const auto offset = static_cast<uint64_t>(call.integer(1));
  std::vector<struct iovec> iov;
  if (!gather(call, call.raw(2), iov)) return invalid(call);
  return submit(call, 3, [&](rbd_image_t image, IoRequest& request, rbd_completion_t c) {
    request.iov.swap(iov);
    return rbd_aio_readv(image, request.iov.data(), static_cast<int>(request.iov.size()), offset, c);
  });
}

napi_value writev(Call& call) {  // (image, offset, buffers, slot)
  const auto offset = static_cast<uint64_t>(call.integer(1));
  std::vector<struct iovec> iov;
  if (!gather(call, call.raw(2), iov)) return invalid(call);
  return submit(call, 3, [&](rbd_image_t image, IoRequest& request, rbd_completion_t c) {
    request.iov.swap(iov);
    return rbd_aio_writev(image, request.iov.data(), static_cast<int>(request.iov.size()), offset, c);
  });
}

napi_value flush(Call& call) {  // (image, slot)
  return submit(call, 1, [](rbd_image_t image, IoRequest&, rbd_completion_t c) { return rbd_aio_flush(image, c); });
}

napi_value discard(Call& call) {  // (image, offset, length, slot)
  const auto offset = static_cast<uint64_t>(call.integer(1)), length = static_cast<uint64_t>(call.integer(2));
  return submit(call, 3, [&](rbd_image_t image, IoRequest&, rbd_completion_t c) {
    return rbd_aio_discard(image, offset, length, c);
  });
}

napi_value write_zeroes(Call& call) {  // (image, offset, length, slot, thick)
  const auto offset = static_cast<uint64_t>(call.integer(1)), length = static_cast<uint64_t>(call.integer(2));
  const int flags = call.boolean(4) ? RBD_WRITE_ZEROES_FLAG_THICK_PROVISION : 0;
  return submit(call, 3, [&](rbd_image_t image, IoRequest&, rbd_completion_t c) {
    return rbd_aio_write_zeroes(image, offset, length, c, flags, 0);
  });
}

napi_value write_same(Call& call) {  // (image, offset, length, pattern, slot)
  const auto offset = static_cast<uint64_t>(call.integer(1)), length = static_cast<uint64_t>(call.integer(2));
  struct iovec pattern;
  if (!memory_of(call, call.raw(3), &pattern)) return invalid(call);
  return submit(call, 4, [&](rbd_image_t image, IoRequest&, rbd_completion_t c) {
    return rbd_aio_writesame(image, offset, length, static_cast<const char*>(pattern.iov_base), pattern.iov_len, c, 0);
  });
}

napi_value compare_and_write(Call& call) {  // (image, offset, expected, data, slot)
  const auto offset = static_cast<uint64_t>(call.integer(1));
  struct iovec expected, data;
  if (!memory_of(call, call.raw(2), &expected) || !memory_of(call, call.raw(3), &data) ||
      expected.iov_len != data.iov_len)
    return invalid(call);
  return submit(call, 4, [&](rbd_image_t image, IoRequest& request, rbd_completion_t c) {
    request.offset = offset;
    request.length = data.iov_len;
    return rbd_aio_compare_and_write(image, offset, data.iov_len, static_cast<const char*>(expected.iov_base),
                                     static_cast<const char*>(data.iov_base), c, &request.mismatch, 0);
  });
}

}  // namespace

void add_image_io(Exports& exports) {
  exports["read"] = entry<read>;
  exports["write"] = entry<write>;
  exports["readv"] = entry<readv>;
  exports["writev"] = entry<writev>;
  exports["flush"] = entry<flush>;
  exports["discard"] = entry<discard>;
  exports["writeZeroes"] = entry<write_zeroes>;
  exports["writeSame"] = entry<write_same>;
  exports["compareAndWrite"] = entry<compare_and_write>;
}

}  // namespace node_rados
