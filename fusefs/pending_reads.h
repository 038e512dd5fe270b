// Reads that wait for their bytes: a few words each, no buffer and no thread.
//
// A read is added, then started; between the two it may be interrupted already. It ends exactly
// once: when FillingBlob::want() is done, or before that because nobody waits for it any more, and
// then what was asked for is cancelled after it has ended.
//
// Thread rule: safe from any thread. `Ended` is called without a lock held, from whichever thread
// ends the read, and through a gate: not after close().
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "base/byte_range.h"
#include "base/result.h"
#include "fusefs/filling_file.h"
#include "fusefs/gate.h"

namespace castool::fusefs {

class PendingReads {
 public:
  enum class How {
    kWanted,       // want() is done, with that status
    kInterrupted,  // whoever reads was told to stop
    kGivenUp,      // the file or the mount comes to its end
  };
  using Ended = std::function<void(How, const base::Status&)>;
  using Number = std::uintptr_t;  // fits into what libfuse keeps for an interrupt; never 0

  explicit PendingReads(std::shared_ptr<Gate> gate);
  PendingReads(const PendingReads&) = delete;
  PendingReads& operator=(const PendingReads&) = delete;

  [[nodiscard]] Number add(std::shared_ptr<FillingFile> file, const base::ByteRange& range,
                           Ended ended);
  void start(Number number);
  // Before start() it only makes that one end the read, so that this can be called with locks held
  // that ending takes.
  void interrupt(Number number);
  // Those that read `file`.
  void give_up(const FillingFile& file);
  // All, and every one that is started later.
  void close();

  [[nodiscard]] std::size_t size() const;
  // Waits until none is left; false when `deadline` came first.
  bool wait_until_none(std::chrono::steady_clock::time_point deadline);

 private:
  struct Entry;
  class Table;
  const std::shared_ptr<Table> table_;  // also of the callbacks under way
  const std::shared_ptr<Gate> gate_;
};

}  // namespace castool::fusefs
