#include "tools/output.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>

#include <gtest/gtest.h>

#include "base/unique_fd.h"
#include "tools/signals.h"

namespace castool::tools {
namespace {

struct Pipe {
  Pipe() {
    int ends[2] = {-1, -1};
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    reading.reset(ends[0]);
    writing.reset(ends[1]);
  }
  // What has been written so far.
  [[nodiscard]] std::string text() const {
    std::array<char, 4096> buffer = {};
    const ssize_t count = ::read(reading.get(), buffer.data(), buffer.size());
    return count > 0 ? std::string(buffer.data(), static_cast<std::size_t>(count)) : std::string();
  }
  base::UniqueFd reading, writing;
};

TEST(Output, WritesEventsAtOnceAndTablesWhole) {
  Pipe pipe;
  Output events(pipe.writing.get(), -1, Buffering::kLine);
  events.line("one");
  EXPECT_EQ(pipe.text(), "one\n");
  Output table(pipe.writing.get(), -1, Buffering::kWhole);
  table.line("two");
  EXPECT_EQ(pipe.text(), "");
  EXPECT_TRUE(table.flush());
  EXPECT_EQ(pipe.text(), "two\n");
}

TEST(Output, ReportsAFullDiskOnce) {
  const base::UniqueFd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  Output out(full.get(), -1, Buffering::kLine);
  out.line("lost");
  const auto flushed = out.flush();
  ASSERT_FALSE(flushed);
  EXPECT_EQ(flushed.error().code, base::Code::kIo);
  EXPECT_EQ(flushed.error().sys_errno, ENOSPC);
  EXPECT_FALSE(out.reader_gone());
}

TEST(Output, NoticesThatItsReaderIsGone) {
  ignore_broken_pipes();
  Pipe pipe;
  pipe.reading.reset();
  Output out(pipe.writing.get(), -1, Buffering::kLine);
  int told = 0;
  out.on_reader_gone([&] { ++told; });
  out.line("one");
  out.line("two");
  EXPECT_TRUE(out.reader_gone());
  EXPECT_EQ(told, 1);
  EXPECT_TRUE(out.flush());  // that is no error
}

TEST(Output, ErrorsAreOneLine) {
  Pipe pipe;
  Output out(-1, pipe.writing.get(), Buffering::kWhole);
  out.error_line("pull a\nb: \x1b[31mred\x1b[0m");
  EXPECT_EQ(pipe.text(), "castool: pull a?b: ?[31mred?[0m\n");
}

TEST(Printable, KeepsTextAndDefusesControls) {
  EXPECT_EQ(printable("grün – 日本"), "grün – 日本");
  EXPECT_EQ(printable("a\tb\x7f"), "a?b?");
  EXPECT_EQ(printable("a\xC2\x9B"
                      "31m"),
            "a?31m");  // CSI as one C1 character
  EXPECT_EQ(printable("\xC2\xA0"), "\xC2\xA0");
  EXPECT_EQ(printable("\xC2"), "\xC2");
}

}  // namespace
}  // namespace castool::tools
