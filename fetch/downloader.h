// Many blobs over a bounded set of kept-alive connections, as parallel ranges.
//
// Connections go to jobs by priority (slot_policy.h); within a blob the sink's claims are the
// order. So a reader's demand is a job of its own over a sink of just its chunks, or the first
// thing that the blob's sink gives out, while everything else follows the hash front.
//
// The downloader decides what to ask for, when, and what to make of each answer (range_planner.h
// and retry_policy.h hold the decisions as pure functions); a BlobSink decides where bytes go and
// which are still wanted; an AddressBook tells where a blob can be had right now. It knows no
// store.
//
// Fault rows in comments refer to docs/reliability.md (the network fault catalogue).
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>

#include "base/byte_range.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/result.h"
#include "fetch/host_backoff.h"
#include "fetch/http.h"
#include "fetch/transfer_budget.h"

namespace castool::fetch {

// A claimed run of bytes, filled front to back. Used by one transfer at a time, on the transport's
// thread. Dropping it gives back what was not filled.
class RangeWriter {
 public:
  virtual ~RangeWriter() = default;
  [[nodiscard]] virtual std::uint64_t next_offset() const = 0;
  [[nodiscard]] virtual std::uint64_t end_offset() const = 0;
  [[nodiscard]] virtual base::Status append(std::span<const std::byte> bytes) = 0;
};

// Where the bytes of one blob go. Called from the downloader's threads, one call at a time.
class BlobSink {
 public:
  virtual ~BlobSink() = default;
  [[nodiscard]] virtual std::uint64_t size() const = 0;
  // Whether claim() may have something to give. Cheap; whoever makes it true rings the job's bell.
  [[nodiscard]] virtual bool has_work() { return true; }
  // Claims up to `max_bytes` of what is missing, in the order the sink prefers. nullptr: nothing to
  // claim now; then `complete()` tells whether that is because all is there or because another
  // process has the rest (ask again after a moment).
  [[nodiscard]] virtual base::Result<std::unique_ptr<RangeWriter>> claim(
      std::uint64_t max_bytes) = 0;
  [[nodiscard]] virtual bool complete() = 0;
  // Bytes that are there, at least about: what is left decides how long ranges are.
  [[nodiscard]] virtual std::uint64_t present() = 0;
  // Called about once a second while ranges are under way, for a sink that others fill as well.
  virtual void look() {}
  // Takes back what was written in `range`, since it may be of another version of the blob.
  [[nodiscard]] virtual base::Status forget(const base::ByteRange& range) = 0;
};

// An address good for now, with the headers that go with it.
struct BlobAddress {
  std::string url;
  Headers headers;  // e.g. Authorization for the origin itself, none for a CDN
  std::optional<base::Clock::Monotonic> expires;
  Reach reach = Reach::kAnywhere;  // kPublicOnly when a public origin redirected here
};

// Tells where a blob is; asks its origin when it does not know or when an address stopped working.
// May block; called on worker threads, never two calls at once for one blob.
class AddressBook {
 public:
  virtual ~AddressBook() = default;
  enum class Need { kAny, kFresh };
  [[nodiscard]] virtual base::Result<BlobAddress> address(Need need, std::stop_token stop) = 0;
};

// Tells a running job that its sink has something new to claim.
struct Bell {
  std::atomic<bool> rung{false};
};

struct BlobJob {
  std::string label;  // for messages: "sha256:…"
  std::shared_ptr<BlobSink> sink;
  std::shared_ptr<AddressBook> addresses;
  Priority priority = Priority::kBackground;
  std::shared_ptr<Bell> bell = nullptr;
};

struct DownloadLimits {
  int connections = 16;                // at most, over all blobs; of an own budget
  std::uint64_t bytes_per_second = 0;  // 0: no limit; of an own budget
  std::chrono::nanoseconds timeout = std::chrono::minutes(5);  // longest time without a byte at all
};

struct DownloadCounters {
  std::uint64_t bytes_received = 0;
  std::uint64_t requests = 0;
  std::uint64_t retries = 0;
};

class Downloader {
 public:
  // `backoff` and `budget` are shared by everything that talks to the same hosts; its own, of
  // `limits`, when not given.
  Downloader(Transport& transport, DownloadLimits limits, base::Clock& clock, base::Log& log,
             std::shared_ptr<HostBackoff> backoff = nullptr,
             std::shared_ptr<TransferBudget> budget = nullptr);
  ~Downloader();  // cancels what runs and waits for it

  // Fetches until the job's sink is complete; blocks. Several calls at once share the connections.
  // Errors: kDigestMismatch (sizes that cannot be right), kNotFound, kUnauthorized, kUnavailable,
  // kRateLimited, kCancelled, and what the sink returned.
  [[nodiscard]] base::Status run(const BlobJob& job, std::stop_token stop);

  // Makes the job of that bell look at its sink at once. Any thread; the bell stays rung for a job
  // that begins later.
  void ring(Bell& bell);

  [[nodiscard]] DownloadCounters counters() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace castool::fetch
