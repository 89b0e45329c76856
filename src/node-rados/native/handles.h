// What JavaScript holds by number: clusters, I/O contexts, images, watches. The objects are shared with the work in flight on
// them; the last to let go has them closed, always on a thread that may block (librados must not be shut down on its own).
#pragma once
#include <rados/librados.h>
#include <rbd/librbd.h>

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace node_rados {

class Gate;

// A RADOS client. Made by make_cluster(): after the last reference it is shut down on the pool.
struct Cluster {
  rados_t rados = nullptr;
  bool connected = false;
  std::function<void(int)> on_closed;  // called after the shutdown; set before the handle is dropped

  // Runs `submit` (which hands an aio to librados) now, or when enough others have landed. librados blocks the submitter at
  // its own limit (objecter_inflight_ops 1024, objecter_inflight_op_bytes 100 MiB); this one stays below it.
  void admit(size_t bytes, std::function<void()> submit);
  // Once for each admitted, when it landed.
  void landed(size_t bytes);

 private:
  static constexpr int kOperationsMax = 512;
  static constexpr size_t kBytesMax = 32 << 20;
  bool fits(size_t bytes) const {
    return operations_ == 0 || (operations_ < kOperationsMax && bytes_ + bytes <= kBytesMax);
  }
  std::mutex mutex_;
  int operations_ = 0;
  size_t bytes_ = 0;
  std::deque<std::pair<size_t, std::function<void()>>> waiting_;
};
std::shared_ptr<Cluster> make_cluster();

// A pool and namespace of a cluster.
struct IoContext {
  std::shared_ptr<Cluster> cluster;
  rados_ioctx_t io = nullptr;
  explicit IoContext(std::shared_ptr<Cluster> owner) : cluster(std::move(owner)) {}
  ~IoContext() { if (io != nullptr) rados_ioctx_destroy(io); }
  IoContext(const IoContext&) = delete;
  IoContext& operator=(const IoContext&) = delete;
};

// An open image. Made by make_image(): closed (rbd_aio_close) after the last I/O on it was delivered.
struct Image {
  std::shared_ptr<IoContext> context;
  rbd_image_t image = nullptr;
  std::string name;
  uint64_t stripe_unit = 0;
  // The update watch, if there is one: where its events go, and what librbd calls it.
  std::shared_ptr<Gate> gate;
  uint32_t watcher = 0;
  uint64_t update_handle = 0;
  bool watched = false;
  std::function<void(int)> on_closed;
};
std::shared_ptr<Image> make_image(std::shared_ptr<IoContext> context);

// A registered watch of an object. unwatch() on the pool ends it; until then librados may call at any time.
struct Watch {
  std::shared_ptr<IoContext> context;
  std::shared_ptr<Gate> gate;
  std::string object;
  uint64_t cookie = 0;
  uint32_t watcher = 0;
  bool registered = false;
};
std::shared_ptr<Watch> make_watch();
// Blocks; 0 or a negative errno.
int unwatch(Watch& watch);

// Keeps the count of clusters connected and not yet shut down in this process.
void count_connected(int change);

// Numbers for JavaScript: index and generation, so that a stale number is known as such.
template <class T>
class HandleTable {
 public:
  uint32_t add(std::shared_ptr<T> object) {
    uint32_t index;
    if (free_.empty()) {
      index = static_cast<uint32_t>(entries_.size());
      entries_.emplace_back();
    } else {
      index = free_.back();
      free_.pop_back();
    }
    entries_[index].object = std::move(object);
    return (entries_[index].generation << kIndexBits) | index;
  }
  // Null when the number is not, or no longer, in use.
  const std::shared_ptr<T>& get(uint32_t handle) const {
    static const std::shared_ptr<T> none;
    const uint32_t index = handle & kIndexMask;
    if (index >= entries_.size() || entries_[index].generation != handle >> kIndexBits) return none;
    return entries_[index].object;
  }
  std::shared_ptr<T> take(uint32_t handle) {
    std::shared_ptr<T> object = get(handle);
    if (object == nullptr) return object;
    Entry& entry = entries_[handle & kIndexMask];
    entry.object.reset();
    entry.generation = (entry.generation + 1) & kGenerationMask;
    free_.push_back(handle & kIndexMask);
    return object;
  }
  std::vector<std::shared_ptr<T>> take_all() {
    std::vector<std::shared_ptr<T>> all;
    for (Entry& entry : entries_)
      if (entry.object != nullptr) all.push_back(std::move(entry.object));
    entries_.clear();
    free_.clear();
    return all;
  }

 private:
  static constexpr uint32_t kIndexBits = 18;
  static constexpr uint32_t kIndexMask = (1u << kIndexBits) - 1;
  static constexpr uint32_t kGenerationMask = (1u << (32 - kIndexBits)) - 1;
  struct Entry {
    std::shared_ptr<T> object;
    uint32_t generation = 0;
  };
  std::vector<Entry> entries_;
  std::vector<uint32_t> free_;
};

}  // namespace node_rados
