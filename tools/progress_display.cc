#include "tools/progress_display.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/mutex.h"
#include "tools/output.h"
#include "tools/progress_state.h"

namespace castool::tools {
namespace {

constexpr auto kRepaint = std::chrono::milliseconds(100);

struct Extent {
  std::size_t columns = 80;
  std::size_t rows = 24;
};

Extent terminal_extent(int fd) {
  winsize size = {};
  if (::ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return {};
  return {size.ws_col, size.ws_row};
}

// A job in the background must not paint over what the foreground does.
bool in_foreground(int fd) {
  const pid_t owner = ::tcgetpgrp(fd);
  return owner < 0 || owner == ::getpgrp();
}

}  // namespace

ProgressStyle progress_style(int fd, const std::string& term) {
  return ::isatty(fd) == 1 && !term.empty() && term != "dumb" ? ProgressStyle::kBars
                                                              : ProgressStyle::kLines;
}

struct ProgressDisplay::State {
  State(ProgressStyle style_in, int fd_in, const std::string& title_in, const base::Clock& clock_in)
      : style(style_in),
        fd(fd_in),
        title(title_in),
        clock(clock_in),
        progress(title_in, clock_in.now()),
        pacer(clock_in.now()) {}

  void run();
  void paint(const std::vector<std::string>& notes, const std::vector<std::string>& lines);
  [[nodiscard]] std::vector<std::string> lines_to_show() CASTOOL_REQUIRES(mutex);
  void note_progress() CASTOOL_REQUIRES(mutex);

  // Constant after construction.
  const ProgressStyle style;
  const int fd;
  const std::string title;
  const base::Clock& clock;

  base::Mutex mutex;
  base::CondVar changed;
  ProgressState progress CASTOOL_GUARDED_BY(mutex);
  LinePacer pacer CASTOOL_GUARDED_BY(mutex);
  std::vector<std::string> notes CASTOOL_GUARDED_BY(mutex);
  std::string last_status CASTOOL_GUARDED_BY(mutex);
  bool ending CASTOOL_GUARDED_BY(mutex) = false;

  // Of the display's thread.
  std::size_t painted = 0;  // lines of bars on the screen, the cursor at the end of the last
  std::thread thread;
};

// A log gets its line of progress when one is due.
void ProgressDisplay::State::note_progress() {
  const Instant now = clock.now();
  if (progress.total() > 0 && pacer.due(now, progress.percent())) {
    notes.push_back("castool: " + progress.summary(now));
  }
}

std::vector<std::string> ProgressDisplay::State::lines_to_show() {
  if (style == ProgressStyle::kBars) {
    const Extent extent = terminal_extent(fd);
    // One column less: a full line would make some terminals wrap.
    return ending ? std::vector<std::string>{}
                  : progress.bars(extent.columns - 1, extent.rows - 1, clock.now());
  }
  // Once all bytes are in, a status says what goes on; 100 % after it would mislead.
  if (!ending && progress.completed() < progress.total()) note_progress();
  return {};
}

void ProgressDisplay::State::paint(const std::vector<std::string>& above,
                                   const std::vector<std::string>& lines) {
  std::string text;
  if (painted > 0) {
    text += '\r';
    if (painted > 1) text += fmt::format("\x1b[{}A", painted - 1);
    if (!above.empty() || lines.empty()) text += "\x1b[J";
  }
  for (const std::string& line : above) text += line + "\n";
  for (std::size_t i = 0; i < lines.size(); ++i) {
    text += (i > 0 ? "\n" : "") + lines[i] + "\x1b[K";
  }
  // What an earlier, longer painting left below.
  if (lines.size() < painted) text += "\x1b[J";
  painted = lines.size();
  if (!text.empty()) static_cast<void>(write_all(fd, text));
}

void ProgressDisplay::State::run() {
  bool last = false;
  while (!last) {
    std::vector<std::string> lines;
    std::vector<std::string> above;
    {
      base::MutexLock lock(mutex);
      if (!ending) changed.wait_until(mutex, std::chrono::steady_clock::now() + kRepaint);
      last = ending;
      lines = lines_to_show();
      above = std::exchange(notes, {});
    }
    if (style == ProgressStyle::kBars && !in_foreground(fd)) {
      lines.clear();
      painted = 0;  // what is on the screen belongs to somebody else by now
    }
    paint(above, lines);
  }
}

ProgressDisplay::ProgressDisplay(ProgressStyle style, int fd, const std::string& title,
                                 const base::Clock& clock)
    : state_(std::make_unique<State>(style, fd, title, clock)) {
  state_->thread = std::thread([state = state_.get()] { state->run(); });
}

ProgressDisplay::~ProgressDisplay() {
  {
    base::MutexLock lock(state_->mutex);
    state_->ending = true;
    state_->changed.notify_all();
  }
  state_->thread.join();
}

void ProgressDisplay::status(const std::string& text) {
  base::MutexLock lock(state_->mutex);
  state_->progress.set_status(text);
  // A log gets each status once; on a terminal it is part of what is painted.
  if (state_->style == ProgressStyle::kLines && text != state_->last_status) {
    state_->note_progress();
    state_->notes.push_back("castool: " + printable(state_->title + ": " + text));
  }
  state_->last_status = text;
}

void ProgressDisplay::progress(const std::string& label, std::uint64_t total,
                               std::uint64_t completed) {
  base::MutexLock lock(state_->mutex);
  state_->progress.update(label, total, completed, state_->clock.now());
}

void ProgressDisplay::note(std::string line) {
  base::MutexLock lock(state_->mutex);
  state_->notes.push_back(std::move(line));
}

}  // namespace castool::tools
