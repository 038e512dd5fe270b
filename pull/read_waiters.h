// Who waits for which bytes of a blob. A value: its owner serialises access.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "base/byte_range.h"
#include "base/result.h"

namespace castool::pull {

class ReadWaiters {
 public:
  using Done = std::function<void(base::Status)>;
  using Ticket = std::uint64_t;  // never 0
  struct Read {
    Ticket ticket = 0;
    base::ByteRange range;
  };

  Ticket add_read(const base::ByteRange& range, Done done);
  // Somebody who wants to hear what becomes of the whole, and asks for no byte.
  Ticket add_listener(Done done);

  // nullopt: it has been taken already.
  [[nodiscard]] std::optional<Done> take(Ticket ticket);
  // Everybody who waits for bytes; `listeners` too.
  enum class Whom { kReaders, kAll };
  [[nodiscard]] std::vector<Done> take_all(Whom whom);

  // Those who wait for bytes since `last` was the newest ticket, or longer.
  [[nodiscard]] std::vector<Done> take_reads_until(Ticket last);
  [[nodiscard]] Ticket newest() const { return last_; }

  [[nodiscard]] std::vector<Read> reads() const;
  [[nodiscard]] bool any_read() const { return !reads_.empty(); }
  [[nodiscard]] int read_count() const { return static_cast<int>(reads_.size()); }

  // What has to be fetched for the readers: ranges that nobody else's covers, the longest waited
  // for first.
  [[nodiscard]] const std::vector<base::ByteRange>& demanded() const { return demanded_; }
  // It is there now.
  void satisfied(const base::ByteRange& range);

 private:
  struct Waiting {
    base::ByteRange range;
    Done done;
  };
  void demand(const base::ByteRange& range);
  void demand_again();

  Ticket last_ = 0;
  std::map<Ticket, Waiting> reads_;
  std::map<Ticket, Done> listeners_;
  std::vector<base::ByteRange> demanded_;
};

}  // namespace castool::pull
