#include "tools/progress_state.h"

#include <algorithm>

#include <fmt/format.h>

#include "tools/output.h"
#include "tools/quantity.h"
#include "tools/table.h"

namespace castool::tools {
namespace {

using std::chrono::milliseconds;

constexpr auto kRateWindow = std::chrono::seconds(5);
constexpr auto kSampleSpacing = milliseconds(100);
constexpr std::uint64_t kOnePiece = 1
                                    << 20;  // files up to here arrive whole, at their first update
constexpr std::size_t kActiveLines = 5;
constexpr std::size_t kBarMin = 8;
constexpr std::size_t kBarMax = 40;

double seconds_between(Instant from, Instant to) {
  return std::chrono::duration<double>(to - from).count();
}

int percent_of(std::uint64_t done, std::uint64_t total) {
  if (total == 0) return 0;
  // 100 only when it is all there.
  return static_cast<int>(static_cast<double>(done) / static_cast<double>(total) * 100.0 + 1e-9);
}

std::string bar(std::size_t width, std::uint64_t done, std::uint64_t total) {
  const double share = total == 0 ? 0 : static_cast<double>(done) / static_cast<double>(total);
  const auto full = std::min(width, static_cast<std::size_t>(share * static_cast<double>(width)));
  std::string text(full, '=');
  if (full < width) text += '>';
  text.resize(width, ' ');
  return "[" + text + "]";
}

}  // namespace

void RateMeter::add(Instant now, std::uint64_t bytes) {
  if (!samples_.empty() && now - samples_.back().when < kSampleSpacing) {
    // The first sample is the base line of the whole measurement and stays as it is.
    if (samples_.size() > 1) samples_.back().bytes = bytes;
    return;
  }
  samples_.push_back({now, bytes});
  while (samples_.size() > 2 && now - samples_[1].when >= kRateWindow) samples_.pop_front();
}

double RateMeter::rate(Instant now) const {
  if (samples_.size() < 2) return 0;
  // The youngest sample that is at least a window old, else the oldest there is.
  auto first = samples_.begin();
  while (std::next(first) != samples_.end() && now - std::next(first)->when >= kRateWindow) ++first;
  const double elapsed = seconds_between(first->when, now);
  if (elapsed <= 0) return 0;
  return static_cast<double>(samples_.back().bytes - first->bytes) / elapsed;
}

std::optional<double> remaining_seconds(std::uint64_t done, std::uint64_t total,
                                        double bytes_per_second) {
  if (done >= total) return 0.0;
  if (bytes_per_second < 1) return std::nullopt;
  return static_cast<double>(total - done) / bytes_per_second;
}

ProgressState::ProgressState(const std::string& title, Instant start)
    : title_(printable(title)), start_(start) {
  meter_.add(start, 0);
}

void ProgressState::update(const std::string& label, std::uint64_t total, std::uint64_t completed,
                           Instant now) {
  const auto [entry, is_new] = files_.try_emplace(label);
  File& file = entry->second;
  const bool was_finished = !is_new && file.completed >= file.total;
  completed = std::min(std::max(completed, file.completed), total);
  total_ += total - file.total;
  const std::uint64_t growth = completed - file.completed;
  completed_ += growth;
  if (!is_new || total <= kOnePiece) received_ += growth;
  file = {total, completed};
  meter_.add(now, received_);

  const bool finished = completed >= total;
  if (is_new && !finished) active_.push_back(label);
  if (finished && !was_finished) {
    ++finished_files_;
    active_.erase(std::remove(active_.begin(), active_.end(), label), active_.end());
  }
}

int ProgressState::percent() const { return percent_of(completed_, total_); }

std::string ProgressState::file_line(const std::string& label, std::size_t columns) const {
  const File& file = files_.at(label);
  const std::string numbers = fmt::format("{:3}%  {} / {}", percent_of(file.completed, file.total),
                                          human_size(file.completed), human_size(file.total));
  constexpr std::size_t kIndent = 2;
  constexpr std::size_t kGap = 2;
  if (columns < numbers.size() + kIndent + kGap + kBarMin) return shorten(numbers, columns);
  const std::size_t room = columns - numbers.size() - kIndent - kGap;
  const std::string name = shorten(printable(label), std::min<std::size_t>(room, 48));
  const std::size_t pad = std::min<std::size_t>(room, 48) - text_width(name);
  return std::string(kIndent, ' ') + name + std::string(pad + kGap, ' ') + numbers;
}

std::vector<std::string> ProgressState::bars(std::size_t columns, std::size_t rows,
                                             Instant now) const {
  if (rows == 0 || columns == 0) return {};
  if (total_ == 0) {
    const std::string text = status_.empty() ? title_ : title_ + ": " + status_;
    return {shorten(printable(text), columns)};
  }
  const double rate = meter_.rate(now);
  const auto left = remaining_seconds(completed_, total_, rate);
  // The most useful first: what does not fit is left out from the end.
  std::vector<std::string> parts = {
      fmt::format("{:3}%", percent()),
      fmt::format("{} / {}", human_size(completed_), human_size(total_))};
  if (completed_ < total_) {
    parts.push_back(human_rate(rate));
    if (left) parts.push_back("ETA " + human_duration(*left));
  } else if (!status_.empty()) {
    parts.push_back(printable(status_));
  }
  if (files_.size() > 1)
    parts.push_back(fmt::format("{}/{} files", finished_files_, files_.size()));
  const std::string title = shorten(title_, std::max<std::size_t>(columns / 5, kBarMin));
  std::string tail;
  for (const std::string& part : parts) {
    if (text_width(title) + text_width(tail) + 2 + text_width(part) > columns) break;
    tail += "  " + part;
  }
  std::string head = title;
  const std::size_t used = text_width(title) + text_width(tail);
  if (used + kBarMin + 4 <= columns) {
    head += "  " + bar(std::min(columns - used - 4, kBarMax), completed_, total_);
  }
  std::vector<std::string> lines = {shorten(head + tail, columns)};
  const std::size_t shown = std::min({active_.size(), kActiveLines, rows - 1});
  for (std::size_t i = 0; i < shown; ++i) lines.push_back(file_line(active_[i], columns));
  if (active_.size() > shown && lines.size() < rows) {
    lines.push_back(shorten(fmt::format("  and {} more", active_.size() - shown), columns));
  }
  return lines;
}

std::string ProgressState::summary(Instant now) const {
  if (total_ == 0) return printable(title_ + ": " + status_);
  std::string text = fmt::format("{}: {}%, {} of {}", title_, percent(), human_size(completed_),
                                 human_size(total_));
  const double rate = meter_.rate(now);
  const auto left = remaining_seconds(completed_, total_, rate);
  text += ", " + human_rate(rate);
  if (left && completed_ < total_) text += fmt::format(", {} left", human_duration(*left));
  return text;
}

bool LinePacer::due(Instant now, int percent) {
  const auto elapsed = now - last_;
  const bool long_ago = elapsed >= std::chrono::seconds(5);
  const bool far = percent >= last_percent_ + 10 && elapsed >= std::chrono::seconds(1);
  if (!long_ago && !far) return false;
  last_ = now;
  last_percent_ = percent;
  return true;
}

}  // namespace castool::tools
