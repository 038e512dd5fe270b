// Files that arrive while they are read, through a real mount.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <numeric>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fusefs/filling_mount_fixture.h"

namespace castool::fusefs {
namespace {

using base::UniqueFd;
using testing::FillingMountTest;
using ::testing::HasSubstr;
using testing::random_bytes;

TEST_F(FillingMountTest, TheWholeFileByReadWhileItArrives) {
  std::jthread origin([this] { arrive_in_random_order(1); });
  EXPECT_TRUE(read_whole(path_) == bytes_);
}

// One reader a way, against the bytes that it must see, while steps arrive in random order.
TEST_F(FillingMountTest, EveryWayOfReadingWhileItArrives) {
  const auto pread_random = [&](int flags, unsigned seed) {
    const UniqueFd fd(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | flags));
    std::mt19937 random(seed);
    const auto buffer = aligned(1 << 20);
    for (int i = 0; i < 60; ++i) {
      std::size_t at = random() % bytes_.size();
      std::size_t size = 1 + random() % (1 << 20);
      if ((flags & O_DIRECT) != 0) {
        at &= ~std::size_t{4095};
        size = (size + 4095) & ~std::size_t{4095};
      }
      expect_read(fd.get(), buffer.get(), at, size);
    }
  };
  const auto map = [&](int sharing, int advice, unsigned seed) {
    const UniqueFd fd(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
    void* at = ::mmap(nullptr, bytes_.size(), PROT_READ, sharing, fd.get(), 0);
    ASSERT_NE(at, MAP_FAILED);
    ::madvise(at, bytes_.size(), advice);
    std::mt19937 random(seed);
    for (int i = 0; i < 300; ++i) {
      const std::size_t byte = random() % bytes_.size();
      if (static_cast<const char*>(at)[byte] != bytes_[byte]) ++wrong_;
    }
    if (std::memcmp(at, bytes_.data(), bytes_.size()) != 0) ++wrong_;
    ::munmap(at, bytes_.size());
  };
  const auto copied = [&](auto&& copy) {
    const UniqueFd from(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
    const UniqueFd to(::memfd_create("copy", MFD_CLOEXEC));
    copy(from.get(), to.get());
    std::string got(bytes_.size(), '\0');
    if (::pread(to.get(), got.data(), got.size(), 0) != static_cast<ssize_t>(got.size()) ||
        got != bytes_)
      ++wrong_;
  };
  {
    std::vector<std::jthread> readers;
    readers.emplace_back([&] { pread_random(0, 1); });
    readers.emplace_back([&] { pread_random(O_DIRECT, 2); });
    readers.emplace_back([&] { map(MAP_SHARED, MADV_RANDOM, 3); });
    readers.emplace_back([&] { map(MAP_PRIVATE, MADV_WILLNEED, 4); });
    readers.emplace_back([&] {
      copied([&](int from, int to) {
        while (::sendfile(to, from, nullptr, 1 << 20) > 0) continue;
      });
    });
    readers.emplace_back([&] { copied([&](int from, int to) { splice_all(from, to); }); });
    readers.emplace_back([&] {
      const UniqueFd fd(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
      ::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
      ::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_WILLNEED);
      ::readahead(fd.get(), 0, bytes_.size());
      if (read_whole(path_) != bytes_) ++wrong_;
    });
    readers.emplace_back([&] { arrive_in_random_order(5); });
  }
  EXPECT_EQ(wrong_, 0);
}

TEST_F(FillingMountTest, AStalledBlobHarmsNobodyElse) {
  constexpr int kReaders = 1000;
  const auto read_another = [this] {
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < 100; ++i) {
      EXPECT_TRUE(read_whole(mount_point_ / "o/fine/f") == fine_);
      const UniqueFd other(::open((mount_point_ / "o/fine/f").c_str(), O_RDONLY | O_CLOEXEC));
      ::posix_fadvise(other.get(), 0, 0, POSIX_FADV_DONTNEED);
    }
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  const double alone = read_another();
  const UniqueFd fd(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
  std::atomic<int> failed{0};
  std::vector<std::jthread> readers;
  for (int i = 0; i < kReaders; ++i) {
    readers.emplace_back([&, i] {
      const std::size_t at = static_cast<std::size_t>(i) * 8191 % bytes_.size();
      char byte = 0;
      if (::pread(fd.get(), &byte, 1, static_cast<off_t>(at)) != 1 || byte != bytes_[at]) ++failed;
    });
  }
  // Every page is asked for by one of them; the others wait for that one in the kernel.
  ASSERT_TRUE(soon([&] { return filling()->waiting() > 20; }));
  EXPECT_LT(read_another(), 10 * alone + 2) << "a hundred reads while a thousand wait";
  filling()->arrive_all();
  readers.clear();
  EXPECT_EQ(failed, 0);
}

// A read that the kernel makes ahead of its reader is not interrupted; it holds nobody up.
TEST_F(FillingMountTest, AKilledReaderIsFreedAtOnce) {
  for (const int flags : {0, O_DIRECT}) {
    const std::size_t before = filling()->waiting();
    const pid_t child = fork_reader();
    if (child == 0) {
      void* buffer = std::aligned_alloc(4096, 4096);
      const int fd = ::open(path_.c_str(), O_RDONLY | flags);
      ::_exit(::pread(fd, buffer, 4096, 1 << 20) == 4096 ? 0 : 1);
    }
    ASSERT_TRUE(soon([&] { return filling()->waiting() > before; }));
    const std::size_t cancelled = filling()->cancelled();
    ::kill(child, SIGKILL);
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFSIGNALED(status));
    if (flags == O_DIRECT) {
      EXPECT_EQ(filling()->cancelled(), cancelled + 1) << "its read was given up";
    }
  }
  EXPECT_TRUE(std::filesystem::exists(mount_point_ / "o/fine/f"));
}

TEST_F(FillingMountTest, AFailureIsOneReadsAndTheNextTriesAgain) {
  const UniqueFd fd(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
  std::atomic<bool> done{false};
  std::jthread origin([&] {
    while (!done) {
      filling()->fail_reads(base::Code::kUnavailable);
      std::this_thread::yield();
    }
  });
  char byte = 0;
  EXPECT_EQ(::pread(fd.get(), &byte, 1, 5), -1);
  EXPECT_EQ(errno, EIO);
  done = true;
  origin.join();
  std::jthread works([this] { arrive_in_random_order(2); });
  EXPECT_TRUE(read_whole(path_) == bytes_) << "no page of the failure was kept";
}

TEST_F(FillingMountTest, PoisonReachesOpenHandlesAndMappingsAndNewOpensAreWell) {
  const UniqueFd fd(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
  void* mapped = ::mmap(nullptr, bytes_.size(), PROT_READ, MAP_SHARED, fd.get(), 0);
  ASSERT_NE(mapped, MAP_FAILED);
  const auto bad = filling();
  for (std::size_t step = 0; step < bad->steps(); ++step) bad->arrive_wrong(step);
  char byte = 0;
  ASSERT_EQ(::pread(fd.get(), &byte, 1, 0), 1);
  ASSERT_EQ(byte, '!');
  ASSERT_EQ(*static_cast<const volatile char*>(mapped), '!');
  bad->poison();
  EXPECT_TRUE(soon([&] { return ::pread(fd.get(), &byte, 1, 0) == -1 && errno == EIO; }))
      << "also what the kernel had in its cache";
  EXPECT_TRUE(touching_raises_bus_error(mapped));
  // The name is still cached for the poisoned node: the kernel is made to look again.
  EXPECT_TRUE(UniqueFd(::open(path_.c_str(), O_RDONLY | O_CLOEXEC))) << errno;
  filling()->arrive_all();
  EXPECT_TRUE(read_whole(path_) == bytes_);
  EXPECT_EQ(::pread(fd.get(), &byte, 1, 0), -1) << "the old handle for ever";
  ::munmap(mapped, bytes_.size());
}

// Filling, cached and native at the same time.
TEST_F(FillingMountTest, OldHandlesGoOnWhenTheBlobIsVerifiedAndNewOnesAreServedFromTheStore) {
  const UniqueFd old(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
  void* mapped = ::mmap(nullptr, bytes_.size(), PROT_READ, MAP_SHARED, old.get(), 0);
  struct stat before {};
  ASSERT_EQ(::stat(path_.c_str(), &before), 0);
  filling()->arrive_all();
  const auto buffer = aligned(1 << 20);
  expect_read(old.get(), buffer.get(), 0, 1 << 20);
  ASSERT_TRUE(store_->put(bytes_));
  filling()->verify();
  filling()->tell();
  ASSERT_TRUE(soon([&] {
    const std::size_t wants = filling()->wants();
    const int opens = origin_.opens();
    const UniqueFd fresh(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
    ::posix_fadvise(fresh.get(), 0, 0, POSIX_FADV_DONTNEED);
    expect_read(fresh.get(), buffer.get(), 3 << 20, 1 << 20);
    return origin_.opens() == opens && filling()->wants() == wants;
  })) << "from the store";
  struct stat after {};
  ASSERT_EQ(::stat(path_.c_str(), &after), 0);
  EXPECT_EQ(after.st_ino, before.st_ino);
  const UniqueFd fresh(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
  for (const int fd : {old.get(), fresh.get()}) expect_read(fd, buffer.get(), 5 << 20, 1 << 20);
  EXPECT_EQ(std::memcmp(mapped, bytes_.data(), bytes_.size()), 0);
  EXPECT_EQ(wrong_, 0);
  ::munmap(mapped, bytes_.size());
}

TEST_F(FillingMountTest, ReopeningWhatIsNotVerifiedReadsItAnew) {
  filling()->arrive_wrong(0);
  EXPECT_EQ(first_byte(path_), '!');
  // Repaired while nobody had it open: nobody is told, and nobody may see the old page.
  filling()->arrive(0);
  EXPECT_EQ(first_byte(path_), bytes_[0]);
}

TEST_F(FillingMountTest, RotInTheStoreIsReadFromTheOriginInstead) {
  const std::string hex = base::Sha256::of(std::string_view(fine_)).hex();
  const auto stored = top_ / "store/blobs/sha256" / hex.substr(0, 2) / hex;
  std::filesystem::permissions(stored, std::filesystem::perms::owner_all);
  {
    std::fstream file(stored, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(fine_.size() / 2));
    file.put(static_cast<char>(~fine_[fine_.size() / 2]));
  }
  std::filesystem::permissions(stored, std::filesystem::perms::owner_read);
  origin_.put(fine_);
  origin_.filling_of(fine_)->arrive_all();
  EXPECT_TRUE(read_whole(mount_point_ / "o/fine/f") == fine_) << "no wrong byte and no error";
  EXPECT_FALSE(std::filesystem::exists(stored));
  EXPECT_FALSE(std::filesystem::is_empty(top_ / "store/quarantine"));
}

}  // namespace
}  // namespace castool::fusefs
