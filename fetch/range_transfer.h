// One request for bytes of a blob and where they go: checks the head, counts the body, gathers it,
// and appends to the writers. Never a byte at an offset that the answer did not claim to have.
//
// Made by a job's thread, then the transport's until on_done, then the job's again.
#pragma once

#include <atomic>
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
  // The head was accepted: from now on head() is constant.
  virtual void on_accepted(RangeTransfer& transfer) noexcept = 0;
  // Bytes that writers took, or (`skipped`) that a whole answer has before the first of them.
  virtual void on_progress(std::uint64_t written, std::uint64_t skipped) noexcept = 0;
  virtual void on_paused(RangeTransfer& transfer, base::Clock::Duration wait) noexcept = 0;
  virtual void on_ended(RangeTransfer& transfer) noexcept = 0;
};

using Writers = std::vector<std::unique_ptr<RangeWriter>>;

class RangeTransfer final : public ResponseListener {
 public:
  // Writes are gathered to this size: libcurl delivers 16 KiB, and a write for each costs a quarter
  // of the speed. Larger ones take their page cache in blocks of 128 KiB and more, which a virtual
  // machine has given back to its host by then: decision 009 has what that cost.
  static constexpr std::size_t kGatherBytes = 64 * 1024;

  // What a request asks for.
  struct Wanted {
    std::uint64_t size = 0;  // of the blob
    // Begins where the only writer does; nullopt: the whole blob, of which the writers, in order of
    // offset, take their parts.
    std::optional<base::ByteRange> range;
    std::string version;  // a strong ETag, or empty for any
  };
  RangeTransfer(Writers writers, Wanted wanted, TransferEvents& events);

  // Any thread.
  [[nodiscard]] std::uint64_t bytes_written() const { return bytes_written_; }
  // After on_ended; head() also after on_accepted.
  [[nodiscard]] const Wanted& wanted() const { return wanted_; }
  // The beginning of a refusal's body, in lower case.
  [[nodiscard]] const std::string& refusal_text() const { return refusal_text_; }
  [[nodiscard]] const std::optional<ResponseHead>& head() const { return head_; }
  [[nodiscard]] const Answer& answer() const { return answer_; }
  [[nodiscard]] bool accepted() const { return accepted_; }
  [[nodiscard]] const TransferResult& result() const { return result_; }
  [[nodiscard]] const base::Status& sink_status() const { return sink_status_; }
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
  void keep_refusal(std::span<const std::byte> bytes) noexcept;

  Writers writers_;  // the first one is being filled
  const Wanted wanted_;
  TransferEvents& events_;
  std::optional<ResponseHead> head_;
  Answer answer_;
  bool accepted_ = false;
  TransferResult result_;
  base::Status sink_status_;
  std::uint64_t position_ = 0;  // offset in the blob of the next byte of the body
  std::uint64_t discarded_ = 0;
  std::atomic<std::uint64_t> bytes_written_{0};
  std::string refusal_text_;
  std::vector<std::byte> gathered_;
};

}  // namespace castool::fetch
