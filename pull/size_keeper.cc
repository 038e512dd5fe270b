#include "pull/size_keeper.h"

#include <chrono>

#include "pull/gc.h"

namespace castool::pull {
namespace {

constexpr auto kPeriod = std::chrono::minutes(1);

}  // namespace

SizeKeeper::SizeKeeper(cas::Store& store, std::uint64_t max_bytes, GcCounts& counts, base::Log& log)
    : store_(store), max_bytes_(max_bytes), counts_(counts), log_(log) {
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

SizeKeeper::~SizeKeeper() {
  thread_.request_stop();
  poke();
}

void SizeKeeper::poke() {
  const base::MutexLock lock(mutex_);
  poked_ = true;
  changed_.notify_all();
}

void SizeKeeper::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    look(stop);
    const auto until = std::chrono::steady_clock::now() +
                       std::chrono::duration_cast<std::chrono::steady_clock::duration>(
                           store_.clock().scaled(kPeriod));
    const base::MutexLock lock(mutex_);
    while (!poked_ && std::chrono::steady_clock::now() < until && !stop.stop_requested()) {
      changed_.wait_until(mutex_, until);
    }
    poked_ = false;
  }
}

void SizeKeeper::look(const std::stop_token& stop) {
  const auto usage = store_.usage();
  if (!usage) return log_.warn("cannot tell how large the store is: {}", usage.error().text());
  if (usage->stored_bytes + usage->partial_bytes <= max_bytes_) return;
  const auto report =
      collect_garbage(store_, {GcMode::kDelete, PartialAge::kOld, max_bytes_}, stop);
  if (report) {
    ++counts_.runs;
    counts_.removed_refs += report->removed_refs;
    counts_.removed_blobs += report->removed_blobs;
    counts_.freed_bytes += report->freed_bytes;
    log_.info("gc: {} models, {} blobs, {} bytes went; {} bytes stay", report->removed_refs,
              report->removed_blobs, report->freed_bytes, report->bytes_left);
  } else if (report.error().code != base::Code::kBusy &&
             report.error().code != base::Code::kCancelled) {
    log_.warn("gc: {}", report.error().text());
  }
}

}  // namespace castool::pull
