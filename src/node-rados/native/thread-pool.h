// Threads for Ceph calls that block. Not libuv's four: a stalled cluster would stop every file and DNS call of the process.
#pragma once
#include <functional>

namespace node_rados {

// Calls that wait for monitors and those that wait for OSDs do not wait for one another: however many image calls are stuck
// in a stalled cluster, a fence or an `osd unset pause` still goes out.
// Closing an image makes librbd look through what all open images observe of the configuration, under a lock: of thousands of
// images that takes a minute, in which those that are opened again must not stand behind.
enum class Lane { monitors, osds, closes };
constexpr int kLanes = 3;

// Runs `work` on a thread that may block. Threads are made when needed, at most lane_threads_max(), and end when idle.
void run_blocking(Lane lane, std::function<void()> work);

constexpr int lane_threads_max(Lane lane) { return lane == Lane::closes ? 2 : 64; }

}  // namespace node_rados
