// Threads for Ceph calls that block. Not libuv's four: a stalled cluster would stop every file and DNS call of the process.
#pragma once
#include <functional>

namespace node_rados {

// Calls that wait for monitors and those that wait for OSDs do not wait for one another: however many image calls are stuck
// in a stalled cluster, a fence or an `osd unset pause` still goes out.
enum class Lane { monitors, osds };

// Runs `work` on a thread that may block. Threads are made when needed, at most kLaneThreadsMax per lane, and end when idle.
void run_blocking(Lane lane, std::function<void()> work);

constexpr int kLaneThreadsMax = 64;

}  // namespace node_rados
