// What OVMS does to the files of a model besides reading them, by real system calls: it rewrites
// graph.pbtxt, and it maps a GGUF shared and writable. And what nobody gets out of that: a way to
// change a blob. Mappings to write are tested in tests/e2e: a process that serves the mount itself
// could wait for itself in them.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fusefs/mount_fixture.h"

namespace castool::fusefs {
namespace {

namespace fs = std::filesystem;
using base::UniqueFd;
using testing::random_bytes;
using testing::read_file;

class WriterMountTest : public testing::MountTest {
 protected:
  void SetUp() override {
    MountTest::SetUp();
    if (IsSkipped()) return;
    put_model("o/m", {{"m.gguf", gguf_}, {"weights.bin", "weights"}});
    mount();
    path_ = mount_point_ / "o/m/m.gguf";
  }
  [[nodiscard]] UniqueFd open_as_ovms_does() const {
    return UniqueFd(::open(path_.c_str(), O_RDWR | O_APPEND | O_CLOEXEC));
  }
  [[nodiscard]] UniqueFd open_to_read(int flags = 0) const {
    return UniqueFd(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | flags));
  }
  [[nodiscard]] bool blob_is_right() const {
    const std::string hex = base::Sha256::of(std::string_view(gguf_)).hex();
    return read_file(top_ / "store/blobs/sha256" / hex.substr(0, 2) / hex) == gguf_;
  }
  // Waits for what happens soon, however slow the machine is.
  static bool in_time(const std::function<bool()>& so) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!so()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::yield();
    }
    return true;
  }

  const std::string gguf_ = random_bytes((3u << 20) + 17, 5);
  fs::path path_;
};

TEST_F(WriterMountTest, AGgufIsOpenedAsOvmsOpensIt) {
  struct stat attr {};
  ASSERT_EQ(::stat(path_.c_str(), &attr), 0);
  EXPECT_EQ(attr.st_mode, static_cast<mode_t>(S_IFREG | 0644));
  const UniqueFd fd = open_as_ovms_does();
  ASSERT_TRUE(fd) << errno;
  struct stat opened {};
  ASSERT_EQ(::fstat(fd.get(), &opened), 0);
  EXPECT_EQ(opened.st_ino, attr.st_ino);
  EXPECT_EQ(opened.st_size, static_cast<off_t>(gguf_.size()));
  // And read while it is open: by the same process, by another way, again to write.
  EXPECT_TRUE(read_file(path_) == gguf_);
  const UniqueFd second = open_as_ovms_does();
  ASSERT_TRUE(second) << errno;
}

TEST_F(WriterMountTest, OtherWaysToWriteAreRefused) {
  for (const int flags : {O_WRONLY, O_RDWR | O_TRUNC, O_WRONLY | O_TRUNC, O_RDONLY | O_TRUNC}) {
    EXPECT_EQ(::open(path_.c_str(), flags | O_CLOEXEC), -1) << flags;
    EXPECT_EQ(errno, EROFS) << flags;
  }
  const fs::path weights = mount_point_ / "o/m/weights.bin";
  EXPECT_EQ(::open(weights.c_str(), O_RDWR | O_CLOEXEC), -1);
  EXPECT_EQ(errno, EROFS);
  const UniqueFd fd = open_as_ovms_does();
  ASSERT_TRUE(fd);
  EXPECT_EQ(::ftruncate(fd.get(), 5), -1);
  EXPECT_EQ(errno, EROFS);
  EXPECT_EQ(::fallocate(fd.get(), 0, 0, 1 << 24), -1);
  EXPECT_EQ(::fchmod(fd.get(), 0600), -1);
  EXPECT_EQ(errno, EROFS);
  EXPECT_TRUE(read_file(path_) == gguf_);
  EXPECT_TRUE(blob_is_right());
}

TEST_F(WriterMountTest, AWriteGetsEpermAndIsSeenByNobody) {
  const UniqueFd fd = open_as_ovms_does();
  ASSERT_TRUE(fd);
  const std::string wrong(10'000, 'W');
  EXPECT_EQ(::write(fd.get(), wrong.data(), wrong.size()), -1);
  EXPECT_EQ(errno, EPERM);
  // O_APPEND has kept it at the end; without it any page is reached.
  ASSERT_EQ(::fcntl(fd.get(), F_SETFL, 0), 0);
  EXPECT_EQ(::pwrite(fd.get(), wrong.data(), wrong.size(), 5000), -1);
  EXPECT_EQ(errno, EPERM);
  EXPECT_TRUE(read_file(path_) == gguf_);
  std::string got(gguf_.size(), '\0');
  EXPECT_EQ(::pread(fd.get(), got.data(), got.size(), 0), static_cast<ssize_t>(got.size()));
  EXPECT_TRUE(got == gguf_);
  EXPECT_TRUE(blob_is_right());
}

TEST_F(WriterMountTest, AGraphIsWrittenAsOvmsWritesIt) {
  put_model("o/llm", {{"graph.pbtxt", "its own"}});
  const fs::path graph = mount_point_ / "o/llm/graph.pbtxt";
  ASSERT_TRUE(in_time([&] { return read_file(graph) == "its own"; }));
  for (const char* text : {"node: 1", "node: {\n  longer\n}", ""}) {
    {
      std::ofstream file(graph, std::ios::trunc);
      ASSERT_TRUE(file.is_open()) << errno;
      file << text << std::endl;
      ASSERT_TRUE(file.good());
    }
    const std::string expected = std::string(text) + "\n";
    EXPECT_EQ(read_file(graph), expected) << "at once";
    EXPECT_EQ(fs::file_size(graph), expected.size());
  }
  const int refused[] = {O_WRONLY, O_RDWR, O_WRONLY | O_APPEND, O_RDWR | O_TRUNC};
  for (const int flags : refused) {
    EXPECT_EQ(::open(graph.c_str(), flags | O_CLOEXEC), -1) << flags;
    EXPECT_EQ(errno, EROFS) << flags;
  }
  EXPECT_EQ(::truncate(graph.c_str(), 0), -1);
  EXPECT_EQ(errno, EROFS);
  EXPECT_EQ(::unlink(graph.c_str()), -1);
  EXPECT_EQ(errno, EROFS);
  mount_.reset();
  mount();
  EXPECT_EQ(read_file(graph), "its own") << "in memory until it is unmounted";
}

TEST_F(WriterMountTest, AGraphIsMadeWhereThereIsNone) {
  const fs::path directory = mount_point_ / "o/m";
  const auto names = [&] {
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator(directory))
      found.push_back(entry.path().filename());
    std::sort(found.begin(), found.end());
    return found;
  };
  using ::testing::ElementsAre;
  EXPECT_THAT(names(), ElementsAre("m.gguf", "weights.bin"));
  EXPECT_FALSE(fs::exists(directory / "graph.pbtxt"));
  std::ofstream(directory / "graph.pbtxt", std::ios::trunc) << "made";
  EXPECT_EQ(read_file(directory / "graph.pbtxt"), "made");
  EXPECT_THAT(names(), ElementsAre("graph.pbtxt", "m.gguf", "weights.bin"));
  EXPECT_FALSE(std::ofstream(directory / "other.pbtxt", std::ios::trunc).is_open());
  EXPECT_FALSE(std::ofstream(mount_point_ / "graph.pbtxt", std::ios::trunc).is_open());
}

TEST_F(WriterMountTest, AnUpperDirectoryOutlivesTheMount) {
  mount_.reset();
  MountOptions options;
  options.directory = mount_point_;
  options.source_name = store_->root();
  options.upper = top_ / "upper";
  const auto start = [&] {
    auto mounted = Mount::start(options, *store_, *refs_, nullptr, clock_, log_);
    ASSERT_TRUE(mounted) << mounted.error().text();
    mount_ = *std::move(mounted);
  };
  start();
  const fs::path graph = mount_point_ / "o/m/graph.pbtxt";
  std::ofstream(graph, std::ios::trunc) << "kept";
  mount_.reset();
  EXPECT_FALSE(fs::exists(graph));
  start();
  EXPECT_EQ(read_file(graph), "kept");
  mount_.reset();
  for (const fs::path& inside : {top_ / "store/upper", mount_point_ / "upper"}) {
    options.upper = inside;
    const auto refused = Mount::start(options, *store_, *refs_, nullptr, clock_, log_);
    ASSERT_FALSE(refused) << inside;
    EXPECT_EQ(refused.error().code, base::Code::kUsage);
  }
}

}  // namespace
}  // namespace castool::fusefs
