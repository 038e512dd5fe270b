// One blob being downloaded: the loop that claims, asks, judges what came, and asks again.
//
// Everything but the TransferEvents runs on the thread that called run(): claims, addresses and
// decisions may block it, never the transport. Failures of requests that were under way when an
// earlier one failed belong to the same incident and are not counted again.
#pragma once

#include <atomic>
#include <list>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "fetch/downloader_core.h"
#include "fetch/laggard.h"
#include "fetch/range_transfer.h"
#include "fetch/redirect_policy.h"
#include "fetch/replica.h"
#include "fetch/retry_policy.h"

namespace castool::fetch {

class DownloadJob final : public TransferEvents {
 public:
  DownloadJob(DownloaderCore& core, const BlobJob& job, std::stop_token stop);
  ~DownloadJob() override;
  DownloadJob(const DownloadJob&) = delete;
  DownloadJob& operator=(const DownloadJob&) = delete;

  [[nodiscard]] base::Status run();

  base::Clock::Duration take_tokens(std::uint64_t bytes) noexcept override;
  void on_received(std::uint64_t bytes) noexcept override;
  void on_accepted(RangeTransfer& transfer) noexcept override;
  void on_progress(std::uint64_t written, std::uint64_t skipped) noexcept override;
  void on_paused(RangeTransfer& transfer, base::Clock::Duration wait) noexcept override;
  void on_ended(RangeTransfer& transfer) noexcept override;

 private:
  using Monotonic = base::Clock::Monotonic;

  // Writers that wait for their turn to be asked for.
  struct Work {
    Writers writers;
    Monotonic not_before = Monotonic::min();
    std::optional<Hop> redirected_to;
    int hops = 0;
  };
  struct Active {
    std::shared_ptr<RangeTransfer> transfer;
    TransferId id = 0;
    std::uint64_t serial = 0;
    TransferBudget::Grant grant = 0;
    Hop hop;
    int hops = 0;
    std::optional<Monotonic> paused_until;
    Monotonic began;
    Monotonic watched_from;  // and from how many bytes: for laggards
    std::uint64_t watched_bytes = 0;
    bool replaced = false;
  };
  enum class Started { kYes, kNotNow };
  // What the transport's thread reported since the job looked last.
  struct Mailbox {
    std::vector<const RangeTransfer*> accepted;
    std::vector<const RangeTransfer*> ended;
    std::vector<std::pair<const RangeTransfer*, Monotonic>> paused;
    bool woken = false;
  };

  void step();
  void read_mailbox();
  void handle_ended(Active& active);
  void handle_accepted(Active& active, Work work);
  void handle_rejected(Active& active, Work work);
  void follow_redirect(Active& active, Work work);
  void apply(const Decision& decision, const Active& active, const Outcome& outcome,
             const std::string& why, Work work);
  void requeue(Work work, Monotonic not_before);

  // download_job_copies.cc: one copy of the blob, and connections that carry their weight.
  void note_copy(const Active& active);
  void start_over(const Active& active);
  void finish_start_over();
  void replace_laggards();
  [[nodiscard]] std::vector<double> peer_rates(const Active& active) const;
  void note_rate(const Active& active);

  [[nodiscard]] bool done();
  [[nodiscard]] bool may_have_work();
  [[nodiscard]] bool may_claim(Monotonic now) const;
  [[nodiscard]] Started start_one();
  [[nodiscard]] std::optional<Work> next_work();
  [[nodiscard]] std::optional<Work> next_whole();
  [[nodiscard]] std::unique_ptr<RangeWriter> claim(std::uint64_t max_bytes);
  [[nodiscard]] bool must_wait(const Hop& hop);
  [[nodiscard]] bool address_is_good() const;
  [[nodiscard]] bool ask_address();
  [[nodiscard]] std::uint64_t unclaimed();
  void launch(Work work, const Hop& hop, TransferBudget::Grant grant);

  void note_progress();
  void look_at_others();
  void check_timeout();
  void resume_paused();
  void wait_for_change();
  void cancel_all();
  void fail(base::Error error);
  [[nodiscard]] Outcome outcome_of(const RangeTransfer& transfer) const;
  [[nodiscard]] Monotonic after(base::Clock::Duration nominal) const;
  void wake_at(Monotonic when) { wake_at_ = std::min(wake_at_, when); }

  DownloaderCore& core_;
  const BlobJob& job_;
  const std::stop_token stop_;
  BlobSink& sink_;
  const std::uint64_t size_;
  TransferBudget::Party party_;

  std::list<Active> active_;
  std::list<Work> queue_;
  std::optional<BlobAddress> address_;
  bool address_is_stale_ = false;
  bool address_is_new_ = false;      // not used for a request yet
  Asking asking_ = Asking::kRanges;  // kWhole: rows 1, 4 and 26, on one connection
  Replica replica_;
  bool starting_over_ = false;           // until the last transfer of the old version has ended
  std::vector<base::ByteRange> claims_;  // since the start, joined where they touch
  RecentRates recent_rates_;
  std::uint64_t claimed_ = 0;  // bytes that writers of this job were given
  Monotonic claim_again_at_ = Monotonic::min();
  Monotonic wake_at_ = Monotonic::max();
  std::optional<base::Error> error_;

  TransferHistory history_;
  std::uint64_t launched_ = 0;
  std::uint64_t asked_before_address_ = 0;  // requests up to this one had an earlier address
  std::uint64_t incident_ = 0;              // requests up to this one belong to the last incident
  Monotonic incident_until_ = Monotonic::min();
  base::Clock::Duration told_to_wait_{};  // since bytes last arrived
  std::string last_failure_;
  Monotonic last_alive_;
  Monotonic look_at_ = Monotonic::min();  // BlobSink::look()
  std::uint64_t seen_present_ = 0;        // then
  std::uint64_t seen_written_ = 0;
  std::uint64_t seen_skipped_ = 0;

  std::atomic<std::uint64_t> written_{0};
  std::atomic<std::uint64_t> skipped_{0};
  Mailbox mailbox_ CASTOOL_GUARDED_BY(core_.budget.mutex);
};

}  // namespace castool::fetch
