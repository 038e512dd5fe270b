// One request for bytes of a blob and where they go: checks the head, counts the body, gathers it,
// and appends to the writers. Never a byte at an offset that the answer did not claim to have.
//
// Made by a job's thread, then the transport's until on_done, then the job's again.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/byte_range.h"
#include "base/clock.h"
#include "base/result.h"
#include "fetch/downloader.h"
#include "fetch/http.h"
#include "fetch/range_response.h"

namespace castool::fetch {

class RangeTransfer;

// What a transfer tells its job; called on the transport's thread.
class TransferEvents {
 public:
  virtual ~TransferEvents() = default;
  // Counts `bytes` against the rate limit: zero when they may be taken now, else how long to wait.
  [[nodiscard]] virtual base::Clock::Duration take_tokens(std::uint64_t bytes) noexcept = 0;
  virtual void on_received(std::uint64_t bytes) noexcept = 0;
  // Bytes that writers took, or (`skipped`) that a whole answer has before the first of them.
  virtual void on_progress(std::uint64_t written, std::uint64_t skipped) noexcept = 0;
  virtual void on_paused(RangeTransfer& transfer, base::Clock::Duration wait) noexcept = 0;
  virtual void on_ended(RangeTransfer& transfer) noexcept = 0;
};

using Writers = std::vector<std::unique_ptr<RangeWriter>>;

class RangeTransfer final : public ResponseListener {
 public:
  // Writes are gathered to this size: libcurl delivers 16 KiB, and a write for each costs a quarter
  // of the speed; past the L2 cache gathering costs more than it saves.
  static constexpr std::size_t kGatherBytes = 128 * 1024;

  // `asked`: the range in the request, which is what the only writer has left; nullopt for the
  // whole blob of `size` bytes, of which the writers, in order of offset, take their parts.
  RangeTransfer(Writers writers, std::optional<base::ByteRange> asked, std::uint64_t size,
                TransferEvents& events);

  // After on_ended.
  [[nodiscard]] const std::optional<ResponseHead>& head() const { return head_; }
  [[nodiscard]] const Answer& answer() const { return answer_; }
  [[nodiscard]] bool accepted() const { return accepted_; }
  [[nodiscard]] const TransferResult& result() const { return result_; }
  [[nodiscard]] const base::Status& sink_status() const { return sink_status_; }
  [[nodiscard]] std::uint64_t bytes_written() const { return bytes_written_; }
  [[nodiscard]] Writers take_unfinished() { return std::move(writers_); }

  Flow on_head(const ResponseHead& head) noexcept override;
  Flow on_body(std::span<const std::byte> bytes) noexcept override;
  void on_done(const TransferResult& result) noexcept override;

 private:
  [[nodiscard]] Flow take_body(std::span<const std::byte> bytes);
  // Both false when the sink failed.
  [[nodiscard]] bool deliver(std::span<const std::byte> bytes);
  [[nodiscard]] bool flush();
  void drop_full_writer();

  Writers writers_;  // the first one is being filled
  const std::optional<base::ByteRange> asked_;
  const std::uint64_t size_;
  TransferEvents& events_;
  std::optional<ResponseHead> head_;
  Answer answer_;
  bool accepted_ = false;
  TransferResult result_;
  base::Status sink_status_;
  std::uint64_t position_ = 0;  // offset in the blob of the next byte of the body
  std::uint64_t discarded_ = 0;
  std::uint64_t bytes_written_ = 0;
  std::vector<std::byte> gathered_;
};

}  // namespace castool::fetch
