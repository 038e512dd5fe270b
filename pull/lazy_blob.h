// One blob that is read before all of it is here.
//
// Three jobs may fetch of it, each on a thread of its own while it has work: what readers wait for,
// chunk by chunk (demand); what they are expected to want, or everything in a hurry (prefetch); the
// rest (background). The last one also verifies and publishes the blob once all is there.
//
//   1. A read is answered as soon as its own chunks are there; under --verify strict when the blob
//      is verified.
//   2. What each chunk was when it was given out is remembered. Once the blob is verified and any
//      of them was something else, nothing more is given out by this value (kDigestMismatch).
//   3. From the moment that the bytes have proved wrong until they are mended nothing is given out.
//
// Thread rule: safe from any thread; nothing waits but the threads of its own. No lock is held over
// I/O or a callback. Destroyed on a thread that may wait for the disk, when idle() or closed.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "cas/partial.h"
#include "pull/blob_verifier.h"
#include "pull/fill_allowance.h"
#include "pull/fill_gate.h"
#include "pull/handed_out.h"
#include "pull/networks.h"
#include "pull/pinned_sources.h"
#include "pull/read_streams.h"
#include "pull/read_waiters.h"
#include "pull/shared_address.h"
#include "pull/task_thread.h"

namespace castool::pull {

enum class Fill { kNone, kTouched, kAll };
enum class Verify { kLazy, kStrict };
struct LazyOptions {
  Fill fill = Fill::kTouched;
  Verify verify = Verify::kLazy;
};

class LazyBlob;

// Whom a LazyBlob tells what becomes of it. Any thread, no lock held; must not wait.
class LazyOwner {
 public:
  virtual ~LazyOwner() = default;
  virtual void wants_fill(LazyBlob& blob) = 0;  // answered by begin_fill(), some time
  virtual void fill_ended(LazyBlob& blob) = 0;
  virtual void verified(LazyBlob& blob) = 0;
  // It gives out nothing any more. `damaged`: no right bytes are to be had.
  enum class Spoilt { kPoisoned, kDamaged };
  virtual void spoilt(LazyBlob& blob, Spoilt how, const base::Error& error) = 0;
  virtual void may_be_idle(LazyBlob& blob) = 0;
  // The same from whoever has a share of it, and gives it away so that nobody else keeps the blob.
  // Not from a thread of the blob's own, which must not be the last one that has it.
  virtual void may_be_idle(std::shared_ptr<LazyBlob> blob) = 0;
};

// What all blobs of a mount share; outlives them.
struct LazyParts {
  cas::Store& store;
  Networks& networks;
  PinnedSources& sources;
  TaskThread& deliveries;
  FillGate& gate;
  FillAllowance& allowance;
  const Origins& origins;
  LazyOptions options;
  base::Clock& clock;
  base::Log& log;
  LazyOwner& owner;
};

class LazyBlob : public std::enable_shared_from_this<LazyBlob> {
 public:
  using Done = ReadWaiters::Done;
  using Ticket = std::uint64_t;  // 0: done has been called already

  // Opens the partial. Errors: those of Store::open_partial.
  [[nodiscard]] static base::Result<std::shared_ptr<LazyBlob>> open(const LazyParts& parts,
                                                                    BlobHome home,
                                                                    const base::Digest& digest,
                                                                    std::uint64_t size);
  ~LazyBlob();  // ends what runs, within a second or so
  LazyBlob(const LazyBlob&) = delete;
  LazyBlob& operator=(const LazyBlob&) = delete;

  [[nodiscard]] const cas::PartialKey& key() const { return first_->key(); }
  [[nodiscard]] const BlobHome& home() const { return home_; }
  [[nodiscard]] int fd() const { return first_->data_fd(); }
  [[nodiscard]] std::uint64_t bytes_present() { return partial()->bytes_present(); }

  // As fusefs::FillingBlob says.
  [[nodiscard]] Ticket want(const base::ByteRange& range, const Done& done);
  [[nodiscard]] Ticket settled(Done done);
  void cancel(Ticket ticket);
  [[nodiscard]] std::string given_out();
  void go_on_from(std::string_view given_out);

  void add_reader();
  void drop_reader();  // the last one ends what was begun for readers, but for verifying
  bool begin_fill();   // fetches the rest, verifies, publishes; true if that was begun
  // Verifies and publishes if all is here, whoever brought it; true if begun. Looks at the disk.
  [[nodiscard]] bool verify_if_complete();
  void close();  // ends everything; readers get kCancelled
  // No reader, and nothing runs.
  [[nodiscard]] bool idle();

 private:
  friend class LazySink;  // the sinks of the three jobs (lazy_sinks.h)

  enum class Phase { kFilling, kRepairing, kVerified, kSpoilt };
  enum class Work { kDemand, kPrefetch, kFill };
  // The thread of one of them.
  struct Lane {
    std::shared_ptr<fetch::Bell> bell = std::make_shared<fetch::Bell>();
    std::stop_source stop;
    bool running = false;
    std::jthread thread;
  };
  using Body = void (LazyBlob::*)();

  LazyBlob(const LazyParts& parts, BlobHome home, std::shared_ptr<cas::Partial> partial);

  // lazy_blob.cc: readers.
  [[nodiscard]] std::optional<base::Status> answer_now(
      const base::ByteRange& range, const std::optional<std::vector<std::uint64_t>>& sums)
      CASTOOL_REQUIRES(mutex_);
  [[nodiscard]] bool follow(const base::ByteRange& range) CASTOOL_REQUIRES(mutex_);
  [[nodiscard]] bool begin_to_verify();
  void look_later();
  void look();
  void on_chunk();
  void answer_all(ReadWaiters::Whom whom, const base::Status& status);
  void fail_reads(ReadWaiters::Ticket last, const base::Status& status);
  void deliver(std::vector<Done> all, const base::Status& status);

  // lazy_blob_jobs.cc: what runs.
  [[nodiscard]] Lane& lane(Work work) CASTOOL_REQUIRES(mutex_) {
    return lanes_[static_cast<std::size_t>(work)];
  }
  [[nodiscard]] bool wants_start(Work work) CASTOOL_REQUIRES(mutex_);
  bool launch(Work work, Body body);
  void ring(Work work);
  [[nodiscard]] bool goes_on(Work work, bool more) CASTOOL_REQUIRES(mutex_);
  [[nodiscard]] std::stop_token token_of(Work work);
  [[nodiscard]] base::Result<fetch::BlobJob> job(Work work, std::shared_ptr<fetch::BlobSink> sink,
                                                 fetch::Priority priority);
  [[nodiscard]] base::Status run(Work work, std::shared_ptr<fetch::BlobSink> sink,
                                 fetch::Priority priority, const std::stop_token& stop);
  [[nodiscard]] IncomingBlob incoming();
  [[nodiscard]] std::shared_ptr<cas::Partial> partial() CASTOOL_EXCLUDES(mutex_);
  void after_failure(const base::Error& error) CASTOOL_EXCLUDES(mutex_);
  void serve_readers();
  void read_ahead();
  void fill();
  enum class FillEnd { kSettled, kAgain };
  [[nodiscard]] base::Result<FillEnd> fill_once(const std::stop_token& stop);
  [[nodiscard]] base::Result<FillEnd> settle(const std::stop_token& stop);
  void on_repair(const std::vector<base::ByteRange>& rotten);
  void on_verified();
  void spoil(LazyOwner::Spoilt how, const base::Error& error);

  const LazyParts parts_;
  const BlobHome home_;
  const std::shared_ptr<cas::Partial> first_;  // whose descriptor readers have
  const std::uint64_t opened_generation_;
  std::atomic<bool> look_posted_{false};

  base::Mutex mutex_;
  // The one that is written through: another open of the same files after the disk failed once.
  std::shared_ptr<cas::Partial> partial_ CASTOOL_GUARDED_BY(mutex_);
  Phase phase_ CASTOOL_GUARDED_BY(mutex_) = Phase::kFilling;
  std::optional<base::Error> spoilt_ CASTOOL_GUARDED_BY(mutex_);
  ReadWaiters waiters_ CASTOOL_GUARDED_BY(mutex_);
  HandedOut handed_ CASTOOL_GUARDED_BY(mutex_);
  ReadStreams streams_ CASTOOL_GUARDED_BY(mutex_);
  std::vector<base::ByteRange> ahead_ CASTOOL_GUARDED_BY(mutex_);  // windows, the latest last
  bool hurry_ CASTOOL_GUARDED_BY(mutex_) = false;                  // everything, as prefetch
  bool fill_asked_ CASTOOL_GUARDED_BY(mutex_) = false;
  bool rotten_ CASTOOL_GUARDED_BY(mutex_) = false;
  bool closed_ CASTOOL_GUARDED_BY(mutex_) = false;
  int readers_ CASTOOL_GUARDED_BY(mutex_) = 0;
  base::Clock::Monotonic demand_idle_ CASTOOL_GUARDED_BY(mutex_);         // since when
  std::shared_ptr<cas::PrefixHasher> hasher_ CASTOOL_GUARDED_BY(mutex_);  // while it is filled
  std::array<Lane, 3> lanes_ CASTOOL_GUARDED_BY(mutex_);
  std::shared_ptr<SharedAddress> address_ CASTOOL_GUARDED_BY(mutex_);
  std::atomic<Network*> network_{nullptr};
  const std::shared_ptr<FileProgress> progress_;
};

}  // namespace castool::pull
