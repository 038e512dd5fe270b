// Keeps a store below a size while a service runs: gc --max-size by itself.
//
// Looks once a minute, and soon after poke(), on a thread of its own; what it cannot do is logged
// and tried again. Several of them on one store do no harm: one gc runs at a time. Everything given
// to it outlives it; destruction ends a gc under way at the next file.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>

#include "base/clock.h"
#include "base/log.h"
#include "base/mutex.h"
#include "cas/store.h"

namespace castool::pull {

// What it has done so far.
struct GcCounts {
  std::atomic<std::uint64_t> runs{0};
  std::atomic<std::uint64_t> removed_refs{0};
  std::atomic<std::uint64_t> removed_blobs{0};
  std::atomic<std::uint64_t> freed_bytes{0};
};

class SizeKeeper {
 public:
  SizeKeeper(cas::Store& store, std::uint64_t max_bytes, GcCounts& counts, base::Log& log);
  ~SizeKeeper();
  SizeKeeper(const SizeKeeper&) = delete;
  SizeKeeper& operator=(const SizeKeeper&) = delete;

  // Something may have grown. Never waits.
  void poke();

 private:
  void run(const std::stop_token& stop);
  void look(const std::stop_token& stop);

  cas::Store& store_;
  const std::uint64_t max_bytes_;
  GcCounts& counts_;
  base::Log& log_;
  base::Mutex mutex_;
  base::CondVar changed_;
  bool poked_ CASTOOL_GUARDED_BY(mutex_) = true;
  std::jthread thread_;
};

}  // namespace castool::pull
