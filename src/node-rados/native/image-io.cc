// The data path. Each call takes a slot number that comes back with the result; returns 0, or a negative errno when nothing
// was started. The typed layer keeps the buffers referenced until then; librbd reads and writes their memory in place.
#include <errno.h>
#include <sys/uio.h>

#include "call.h"

namespace node_rados {
namespace {

void completed(rbd_completion_t completion, void* argument) {
  auto* request = static_cast<IoRequest*>(argument);
  request->result = rbd_aio_get_return_value(completion);
  rbd_aio_release(completion);
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

napi_value read(Call& call) {  // (image, offset, buffer, slot)
  const auto offset = static_cast<uint64_t>(call.integer(1));
  const auto [data, length] = call.span(2);
  return submit(call, 3, [&, at = data, size = length](rbd_image_t image, IoRequest&, rbd_completion_t c) {
    return rbd_aio_read(image, offset, size, at, c);
  });
}

napi_value write(Call& call) {  // (image, offset, buffer, slot)
  const auto offset = static_cast<uint64_t>(call.integer(1));
  const auto [data, length] = call.span(2);
  return submit(call, 3, [&, at = data, size = length](rbd_image_t image, IoRequest&, rbd_completion_t c) {
    return rbd_aio_write(image, offset, size, at, c);
  });
}

void gather(const Call& call, napi_value buffers, std::vector<struct iovec>& iov) {
  iov.clear();
  for (napi_value buffer : call.elements(buffers)) {
    const auto [data, length] = call.span_of(buffer);
    iov.push_back({data, length});
  }
}

napi_value readv(Call& call) {  // (image, offset, buffers, slot)
  const auto offset = static_cast<uint64_t>(call.integer(1));
  std::vector<struct iovec> iov;
  gather(call, call.raw(2), iov);
  return submit(call, 3, [&](rbd_image_t image, IoRequest& request, rbd_completion_t c) {
    request.iov.swap(iov);
    return rbd_aio_readv(image, request.iov.data(), static_cast<int>(request.iov.size()), offset, c);
  });
}

napi_value writev(Call& call) {  // (image, offset, buffers, slot)
  const auto offset = static_cast<uint64_t>(call.integer(1));
  std::vector<struct iovec> iov;
  gather(call, call.raw(2), iov);
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
  const auto [data, size] = call.span(3);
  return submit(call, 4, [&, at = data, pattern = size](rbd_image_t image, IoRequest&, rbd_completion_t c) {
    return rbd_aio_writesame(image, offset, length, at, pattern, c, 0);
  });
}

napi_value compare_and_write(Call& call) {  // (image, offset, expected, data, slot)
  const auto offset = static_cast<uint64_t>(call.integer(1));
  const auto [expected, length] = call.span(2);
  const auto [data, data_length] = call.span(3);
  if (length != data_length) return call.js().number(-EINVAL);
  return submit(call, 4, [&, e = expected, d = data, n = length](rbd_image_t image, IoRequest& request, rbd_completion_t c) {
    return rbd_aio_compare_and_write(image, offset, n, e, d, c, &request.mismatch, 0);
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
