#include "tools/progress_display.h"

#include <fcntl.h>
#include <pty.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/unique_fd.h"
#include "tests/support/fake_clock.h"

namespace castool::tools {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

// Everything that can be read now.
std::string drain(int fd) {
  ::fcntl(fd, F_SETFL, O_NONBLOCK);
  std::string text;
  std::array<char, 4096> buffer = {};
  ssize_t count = 0;
  while ((count = ::read(fd, buffer.data(), buffer.size())) > 0) {
    text.append(buffer.data(), static_cast<std::size_t>(count));
  }
  return text;
}

std::string in_a_log(const std::function<void(ProgressDisplay&)>& body) {
  int ends[2] = {-1, -1};
  EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const base::UniqueFd reading(ends[0]), writing(ends[1]);
  base::SystemClock clock;
  {
    ProgressDisplay display(ProgressStyle::kLines, writing.get(), "a/b", clock);
    body(display);
  }
  return drain(reading.get());
}

std::string on_a_terminal(const std::function<void(ProgressDisplay&)>& body) {
  int master = -1, slave = -1;
  winsize size = {24, 80, 0, 0};
  EXPECT_EQ(::openpty(&master, &slave, nullptr, nullptr, &size), 0);
  const base::UniqueFd reading(master), writing(slave);
  base::SystemClock clock;
  {
    ProgressDisplay display(ProgressStyle::kBars, writing.get(), "a/b", clock);
    body(display);
  }
  return drain(reading.get());
}

TEST(ProgressDisplay, WritesPlainLinesIntoALog) {
  EXPECT_EQ(in_a_log([](ProgressDisplay& display) {
              display.status("pulling manifest");
              display.status("pulling manifest");
              display.note("castool: a warning");
              display.progress("x", 100, 10);
              display.status("writing manifest");
            }),
            "castool: a/b: pulling manifest\n"
            "castool: a warning\n"
            "castool: a/b: writing manifest\n");
}

TEST(ProgressDisplay, TellsOfAllBytesBeforeTheStatusThatFollows) {
  int ends[2] = {-1, -1};
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const base::UniqueFd reading(ends[0]), writing(ends[1]);
  castool::testing::FakeClock clock;
  ProgressDisplay display(ProgressStyle::kLines, writing.get(), "a/b", clock);
  clock.advance(std::chrono::seconds(2));
  display.progress("x", 100, 100);
  display.status("writing manifest");
  clock.advance(std::chrono::minutes(1));
  // Once the second note is out, the thread has looked at the clock at least once after the first.
  std::string text;
  for (const char* note : {"first note\n", "second note\n"}) {
    display.note(std::string(note, std::strlen(note) - 1));
    std::array<char, 4096> buffer = {};
    while (text.find(note) == std::string::npos) {
      const ssize_t count = ::read(reading.get(), buffer.data(), buffer.size());
      ASSERT_GT(count, 0);
      text.append(buffer.data(), static_cast<std::size_t>(count));
    }
  }
  EXPECT_THAT(text, MatchesRegex("castool: a/b: 100%, [^\n]*\n"
                                 "castool: a/b: writing manifest\n"
                                 "first note\nsecond note\n"));
}

TEST(ProgressDisplay, LeavesACleanTerminal) {
  const std::string text = on_a_terminal([](ProgressDisplay& display) {
    display.progress("x", 100, 10);
    display.note("castool: a warning");
  });
  EXPECT_THAT(text, HasSubstr("castool: a warning\r\n"));
  // Whatever was painted is erased at the end.
  const bool painted = text.find("10%") != std::string::npos;
  EXPECT_TRUE(!painted || text.ends_with("\x1b[J")) << text;
}

TEST(ProgressDisplay, ShowsNothingWhenNothingHappens) {
  EXPECT_EQ(in_a_log([](ProgressDisplay&) {}), "");
}

TEST(ProgressStyle, NeedsATerminalThatMovesItsCursor) {
  int ends[2] = {-1, -1};
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const base::UniqueFd reading(ends[0]), writing(ends[1]);
  EXPECT_EQ(progress_style(writing.get(), "xterm"), ProgressStyle::kLines);
  int master = -1, slave = -1;
  ASSERT_EQ(::openpty(&master, &slave, nullptr, nullptr, nullptr), 0);
  const base::UniqueFd first(master), second(slave);
  EXPECT_EQ(progress_style(slave, "xterm"), ProgressStyle::kBars);
  EXPECT_EQ(progress_style(slave, "dumb"), ProgressStyle::kLines);
  EXPECT_EQ(progress_style(slave, ""), ProgressStyle::kLines);
}

}  // namespace
}  // namespace castool::tools
