// Shows a ProgressState on standard error from a thread of its own: repainted bars on a terminal,
// a line now and then elsewhere.
//
// Every member may be called from any thread and returns at once; only the display's thread writes.
#pragma once

#include <memory>
#include <string>

#include "base/clock.h"

namespace castool::tools {

enum class ProgressStyle { kBars, kLines };

// Bars need a terminal that can move its cursor.
[[nodiscard]] ProgressStyle progress_style(int fd, const std::string& term);

class ProgressDisplay {
 public:
  // Writes to `fd`, which has to stay open.
  ProgressDisplay(ProgressStyle style, int fd, const std::string& title, const base::Clock& clock);
  ~ProgressDisplay();  // takes the bars away and ends the thread
  ProgressDisplay(const ProgressDisplay&) = delete;
  ProgressDisplay& operator=(const ProgressDisplay&) = delete;

  void status(const std::string& text);
  void progress(const std::string& label, std::uint64_t total, std::uint64_t completed);
  // A line of its own, above the bars; the newline is added.
  void note(std::string line);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace castool::tools
