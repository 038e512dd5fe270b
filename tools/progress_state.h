// How far a pull is, and what that looks like as text. Pure: time comes in with every call.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace castool::tools {

using Instant = std::chrono::steady_clock::time_point;

// Bytes per second over the last few seconds.
class RateMeter {
 public:
  // `bytes` is a running sum that never goes back.
  void add(Instant now, std::uint64_t bytes);
  [[nodiscard]] double rate(Instant now) const;

 private:
  struct Sample {
    Instant when;
    std::uint64_t bytes;
  };
  std::deque<Sample> samples_;
};

// Seconds until the rest has come; nullopt when nothing moves.
[[nodiscard]] std::optional<double> remaining_seconds(std::uint64_t done, std::uint64_t total,
                                                      double bytes_per_second);

class ProgressState {
 public:
  // `title` is the model that is pulled, `start` the beginning of the clock.
  ProgressState(const std::string& title, Instant start);

  // What is being done, for when no bytes move: "verifying sha256 digest".
  void set_status(std::string text) { status_ = std::move(text); }
  // One file's progress; what a file has at its first update was there before this run, so it
  // counts as done but not into the rate (small files excepted: they come in one piece).
  void update(const std::string& label, std::uint64_t total, std::uint64_t completed, Instant now);

  [[nodiscard]] std::uint64_t total() const { return total_; }
  [[nodiscard]] std::uint64_t completed() const { return completed_; }
  [[nodiscard]] int percent() const;

  // A line with a bar for everything, then one for each of the first few active files. No line is
  // wider than `columns`, and there are at most `rows`.
  [[nodiscard]] std::vector<std::string> bars(std::size_t columns, std::size_t rows,
                                              Instant now) const;
  // The same in one line for a log: "acme/x: 45%, 512.0 MiB of 1.1 GiB, 85.3 MiB/s, 8.2 s left".
  [[nodiscard]] std::string summary(Instant now) const;

 private:
  struct File {
    std::uint64_t total = 0;
    std::uint64_t completed = 0;
  };

  [[nodiscard]] std::string file_line(const std::string& label, std::size_t columns) const;

  std::string title_;
  Instant start_;
  std::string status_;
  std::map<std::string, File> files_;
  std::vector<std::string> active_;  // begun and not finished, in order of arrival
  std::size_t finished_files_ = 0;
  std::uint64_t total_ = 0;
  std::uint64_t completed_ = 0;
  std::uint64_t received_ = 0;  // completed_ without what was there before
  RateMeter meter_;
};

// Decides when a log of progress gets its next line: after 5 s, or after 10 % but not more than
// one line a second.
class LinePacer {
 public:
  explicit LinePacer(Instant start) : last_(start) {}
  [[nodiscard]] bool due(Instant now, int percent);

 private:
  Instant last_;
  int last_percent_ = 0;
};

}  // namespace castool::tools
