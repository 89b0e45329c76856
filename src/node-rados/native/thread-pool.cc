#include "thread-pool.h"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

namespace node_rados {
namespace {

constexpr auto kIdle = std::chrono::seconds(5);

struct Pool {
  std::mutex mutex;
  std::condition_variable ready;
  std::deque<std::function<void()>> queue;
  int threads = 0;
  int idle = 0;

  void serve() {
    std::unique_lock<std::mutex> lock(mutex);
    for (;;) {
      while (!queue.empty()) {
        {
          std::function<void()> work = std::move(queue.front());
          queue.pop_front();
          lock.unlock();
          work();
        }  // what the work held goes before the lock is taken again
        lock.lock();
      }
      idle++;
      const bool more = ready.wait_for(lock, kIdle, [this] { return !queue.empty(); });
      idle--;
      if (!more) {
        threads--;
        return;
      }
    }
  }
};

// Never destroyed: its threads may still run when the process ends.
Pool& pool(Lane lane) {
  static Pool* const pools = new Pool[kLanes];
  return pools[static_cast<int>(lane)];
}

}  // namespace

void run_blocking(Lane lane, std::function<void()> work) {
  Pool& p = pool(lane);
  std::lock_guard<std::mutex> lock(p.mutex);
  p.queue.push_back(std::move(work));
  if (static_cast<int>(p.queue.size()) > p.idle && p.threads < lane_threads_max(lane)) {
    p.threads++;
    std::thread([&p] { p.serve(); }).detach();
  } else {
    p.ready.notify_one();
  }
}

}  // namespace node_rados
