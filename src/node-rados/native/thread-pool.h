// Threads for Ceph calls that block. Not libuv's four: a stalled cluster would stop every file and DNS call of the process.
#pragma once
#include <functional>

namespace node_rados {

// Runs `work` on a thread that may block. Threads are made when needed, at most kPoolThreadsMax, and end when idle.
void run_blocking(std::function<void()> work);

constexpr int kPoolThreadsMax = 64;

}  // namespace node_rados
