#include "handles.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <atomic>

#include "environment.h"
#include "thread-pool.h"

namespace node_rados {
namespace {

std::atomic<int> connected{0};
std::atomic<int> exit_handlers{0};
constexpr int kExitHandlersMax = 16;

// A process that ends with clusters connected must not run the libraries' static destructors under the feet of their threads.
void leave_at_once(int status, void*) {
  if (connected.load() == 0) return;
  fflush(nullptr);
  _exit(status);
}

void close_cluster(Cluster* cluster) {
  run_blocking(Lane::monitors, [cluster] {
    if (cluster->rados != nullptr) {
      if (cluster->connected) rados_watch_flush(cluster->rados);
      rados_shutdown(cluster->rados);
      if (cluster->connected) count_connected(-1);
    }
    if (cluster->on_closed) cluster->on_closed(0);
    delete cluster;
  });
}

void image_closed(rbd_completion_t completion, void* argument) {
  const int result = static_cast<int>(rbd_aio_get_return_value(completion));
  rbd_aio_release(completion);
  auto* image = static_cast<Image*>(argument);
  // The rest on the pool: librbd's thread must not wait for anything that it may itself have to do.
  run_blocking(Lane::osds, [image, result] {
    std::function<void(int)> on_closed = std::move(image->on_closed);
    delete image;
    if (on_closed) on_closed(result);
  });
}

void start_close(Image* image) {
  rbd_completion_t completion = nullptr;
  int rc = rbd_aio_create_completion(image, image_closed, &completion);
  if (rc == 0) {
    rc = rbd_aio_close(image->image, completion);
    if (rc == 0) return;
    rbd_aio_release(completion);
  }
  rc = rbd_close(image->image);
  if (image->on_closed) image->on_closed(rc);
  delete image;
}

void close_image(Image* image) {
  if (image->image == nullptr) {
    if (image->on_closed) image->on_closed(0);
    delete image;
    return;
  }
  run_blocking(Lane::closes, [image] {
    // librbd asserts that nobody watches an image when it closes
    if (image->watched) rbd_update_unwatch(image->image, image->update_handle);
    start_close(image);
  });
}

void end_watch(Watch* watch) {
  if (!watch->registered) {
    delete watch;
    return;
  }
  run_blocking(Lane::osds, [watch] {
    unwatch(*watch);
    delete watch;
  });
}

}  // namespace

void count_connected(int change) {
  // Handlers run last in, first out: ahead of the destructors of what the libraries made until now.
  if (connected.fetch_add(change) == 0 && change > 0 && exit_handlers.fetch_add(1) < kExitHandlersMax)
    on_exit(leave_at_once, nullptr);
}

void Cluster::admit(size_t bytes, std::function<void()> submit) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!waiting_.empty() || !fits(bytes)) {
      waiting_.emplace_back(bytes, std::move(submit));
      return;
    }
    operations_++;
    bytes_ += bytes;
  }
  submit();
}

void Cluster::landed(size_t bytes) {
  std::vector<std::function<void()>> next;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    operations_--;
    bytes_ -= bytes;
    while (!waiting_.empty() && fits(waiting_.front().first)) {
      operations_++;
      bytes_ += waiting_.front().first;
      next.push_back(std::move(waiting_.front().second));
      waiting_.pop_front();
    }
  }
  for (auto& submit : next) submit();
}

std::shared_ptr<Cluster> make_cluster() { return {new Cluster, close_cluster}; }

std::shared_ptr<Image> make_image(std::shared_ptr<IoContext> context) {
  auto* image = new Image;
  image->context = std::move(context);
  return {image, close_image};
}

std::shared_ptr<Watch> make_watch() { return {new Watch, end_watch}; }

int unwatch(Watch& watch) {
  if (!watch.registered) return 0;
  watch.registered = false;
  const int rc = rados_unwatch2(watch.context->io, watch.cookie);
  rados_watch_flush(watch.context->cluster->rados);  // after this librados does not call any more
  return rc;
}

}  // namespace node_rados
