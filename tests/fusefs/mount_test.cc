// What a mount shows, read by real system calls.
#include "fusefs/mount.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fusefs/mount_fixture.h"
#include "fusefs/mount_table.h"

namespace castool::fusefs {
namespace {

namespace fs = std::filesystem;
using base::UniqueFd;
using testing::Files;
using ::testing::HasSubstr;
using testing::MountTest;
using testing::random_bytes;
using testing::read_file;

TEST_F(MountTest, EveryByteOfEveryFile) {
  Files model;
  for (int i = 0; i < 300; ++i)
    model.emplace_back(fmt::format("d{}/f{}.bin", i % 7, i),
                       random_bytes(static_cast<std::size_t>(i * 37), static_cast<unsigned>(i)));
  model.emplace_back("empty", "");
  model.emplace_back("odd names/a b#%ü.txt", "odd");
  model.emplace_back("big.bin", random_bytes((5u << 20) + 17, 1));
  put_model("org/model", model);
  mount();
  std::size_t found = 0;
  for (const auto& entry : fs::recursive_directory_iterator(mount_point_ / "org/model"))
    found += entry.is_regular_file() ? 1u : 0u;
  EXPECT_EQ(found, model.size());
  for (const auto& [path, bytes] : model) {
    const fs::path file = mount_point_ / "org/model" / path;
    EXPECT_EQ(fs::file_size(file), bytes.size()) << path;
    EXPECT_TRUE(read_file(file) == bytes) << path;
  }
  EXPECT_THAT(read_file(mount_point_ / "config.json"), HasSubstr("model_config_list"));
}

TEST_F(MountTest, MappedAndRandomReadsOnEightThreads) {
  const std::string bytes = random_bytes((8u << 20) + 123, 7);
  put_model("o/m", {{"f", bytes}});
  mount();
  const fs::path path = mount_point_ / "o/m/f";
  std::atomic<int> wrong{0};
  {
    std::vector<std::jthread> threads;
    for (unsigned t = 0; t < 8; ++t) {
      threads.emplace_back([&, t] {
        const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
        std::mt19937 random(t);
        std::string got(200'000, '\0');
        for (int i = 0; i < 100; ++i) {
          const std::size_t offset = random() % (bytes.size() + 1000);
          const std::size_t size = 1 + random() % got.size();
          const std::size_t want =
              offset < bytes.size() ? std::min(size, bytes.size() - offset) : 0;
          const ssize_t read = ::pread(fd.get(), got.data(), size, static_cast<off_t>(offset));
          if (read != static_cast<ssize_t>(want) ||
              bytes.compare(offset * (want != 0), want, got, 0, want) != 0)
            ++wrong;
        }
      });
    }
  }
  EXPECT_EQ(wrong, 0);
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  for (const int sharing : {MAP_SHARED, MAP_PRIVATE}) {
    void* at = ::mmap(nullptr, bytes.size(), PROT_READ, sharing, fd.get(), 0);
    ASSERT_NE(at, MAP_FAILED);
    EXPECT_EQ(std::memcmp(at, bytes.data(), bytes.size()), 0);
    ::munmap(at, bytes.size());
  }
}

TEST_F(MountTest, EveryWriteIsRefused) {
  put_model("o/m", {{"f", "bytes"}});
  mount();
  const std::string file = mount_point_ / "o/m/f";
  const std::string other = mount_point_ / "o/m/new";
  const std::string directory = mount_point_ / "o/m";
  const std::map<std::string, std::function<int()>> writes = {
      {"open for writing", [&] { return ::open(file.c_str(), O_WRONLY | O_CLOEXEC); }},
      {"open for both", [&] { return ::open(file.c_str(), O_RDWR | O_CLOEXEC); }},
      {"open to cut", [&] { return ::open(file.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC); }},
      {"create", [&] { return ::open(other.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644); }},
      {"mkdir", [&] { return ::mkdir(other.c_str(), 0755); }},
      {"mknod", [&] { return ::mknod(other.c_str(), S_IFREG | 0644, 0); }},
      {"unlink", [&] { return ::unlink(file.c_str()); }},
      {"rmdir", [&] { return ::rmdir(directory.c_str()); }},
      {"rename", [&] { return ::rename(file.c_str(), other.c_str()); }},
      {"link", [&] { return ::link(file.c_str(), other.c_str()); }},
      {"symlink", [&] { return ::symlink("x", other.c_str()); }},
      {"chmod", [&] { return ::chmod(file.c_str(), 0600); }},
      {"chown", [&] { return ::chown(file.c_str(), 1, 1); }},
      {"truncate", [&] { return ::truncate(file.c_str(), 0); }},
      {"utimens", [&] { return ::utimensat(AT_FDCWD, file.c_str(), nullptr, 0); }},
      {"setxattr", [&] { return ::setxattr(file.c_str(), "user.x", "1", 1, 0); }},
      {"removexattr", [&] { return ::removexattr(file.c_str(), "user.castool.sha256"); }},
  };
  for (const auto& [what, write] : writes) {
    errno = 0;
    EXPECT_EQ(write(), -1) << what;
    EXPECT_EQ(errno, EROFS) << what;
  }
  EXPECT_EQ(read_file(file), "bytes");
  EXPECT_FALSE(fs::exists(other));
}

TEST_F(MountTest, WhatStatAndItsLikeSay) {
  const std::string bytes(5000, 'x');
  put_model("o/m", {{"f", bytes}}, 1'234'567);
  mount();
  const std::string file = mount_point_ / "o/m/f";
  struct stat attr {};
  ASSERT_EQ(::stat(file.c_str(), &attr), 0);
  EXPECT_EQ(attr.st_mode, static_cast<mode_t>(S_IFREG | 0444));
  EXPECT_EQ(attr.st_size, 5000);
  EXPECT_EQ(attr.st_blksize, 4096);
  EXPECT_EQ(attr.st_blocks, 10);
  EXPECT_EQ(attr.st_mtime, 1'234'567);
  const ino_t ino = attr.st_ino;
  struct statvfs space {};
  ASSERT_EQ(::statvfs(mount_point_.c_str(), &space), 0);
  EXPECT_GT(space.f_blocks, 0u);
  EXPECT_EQ(space.f_flag & (ST_RDONLY | ST_NOSUID | ST_NODEV), ST_NOSUID | ST_NODEV)
      << "read-write for readers that open so, and nothing dangerous";
  const auto xattr = [](const std::string& path, const char* name) {
    std::string value(256, '\0');
    const ssize_t size = ::getxattr(path.c_str(), name, value.data(), value.size());
    return size < 0 ? "errno " + std::to_string(errno)
                    : value.substr(0, static_cast<std::size_t>(size));
  };
  EXPECT_EQ(xattr(file, "user.castool.sha256"), base::Sha256::of(std::string_view(bytes)).hex());
  EXPECT_EQ(xattr(file, "user.castool.state"), "verified");
  EXPECT_EQ(xattr(file, "user.castool.present"), "5000");
  EXPECT_EQ(xattr(mount_point_ / "o/m", "user.castool.source"), "hf://o/m@main");
  EXPECT_EQ(xattr(file, "user.other"), "errno " + std::to_string(ENODATA));
  char two[2];
  EXPECT_EQ(::getxattr(file.c_str(), "user.castool.sha256", two, sizeof two), -1);
  EXPECT_EQ(errno, ERANGE);
  EXPECT_GT(::listxattr(file.c_str(), nullptr, 0), 0);
  const auto entry = current_mount_at(mount_point_);
  ASSERT_TRUE(entry && *entry);
  EXPECT_EQ((*entry)->type, "fuse.castool");
  EXPECT_EQ((*entry)->source, store_->root());

  mount_.reset();
  EXPECT_FALSE(fs::exists(file)) << "unmounted";
  mount();
  ASSERT_EQ(::stat(file.c_str(), &attr), 0);
  EXPECT_EQ(attr.st_ino, ino) << "the same after a remount";
}

TEST_F(MountTest, TheViewFollowsPullsAndRemovals) {
  put_model("o/first", {{"f", "one"}});
  mount();
  const fs::path second = mount_point_ / "p/second/f";
  EXPECT_FALSE(fs::exists(second));
  put_model("p/second", {{"f", "two"}, {"graph.pbtxt", "node{}"}}, 2000);
  EXPECT_TRUE(soon([&] { return fs::exists(second); }));
  EXPECT_EQ(read_file(second), "two");
  EXPECT_TRUE(soon([&] {
    return read_file(mount_point_ / "config.json").find("p/second") != std::string::npos;
  }));

  const UniqueFd open(::open((mount_point_ / "o/first/f").c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(open);
  put_model("o/first", {{"f", "newer"}}, 3000);
  EXPECT_TRUE(soon([&] { return read_file(mount_point_ / "o/first/f") == "newer"; }));
  ASSERT_TRUE(refs_->remove("o/first"));
  EXPECT_TRUE(soon([&] { return !fs::exists(mount_point_ / "o"); }));
  std::string got(3, '\0');
  EXPECT_EQ(::pread(open.get(), got.data(), 3, 0), 3);
  EXPECT_EQ(got, "one") << "who has a file open keeps its bytes";
  EXPECT_EQ(read_file(second), "two");
}

TEST_F(MountTest, AConfigReadWhileItChangesIsOneOrTheOther) {
  const Files model{{"graph.pbtxt", "node{}"}};
  put_model("o/a", model);
  mount();
  std::atomic<bool> done{false};
  std::atomic<int> torn{0};
  std::jthread reader([&] {
    while (!done) {
      const std::string text = read_file(mount_point_ / "config.json");
      if (!text.starts_with("{\n") || !text.ends_with("]\n}\n")) ++torn;
    }
  });
  for (int i = 0; i < 10; ++i) {
    put_model("o/b", model, 2000);
    EXPECT_TRUE(soon([&] { return fs::exists(mount_point_ / "o/b"); }));
    ASSERT_TRUE(refs_->remove("o/b"));
    EXPECT_TRUE(soon([&] { return !fs::exists(mount_point_ / "o/b"); }));
  }
  done = true;
  reader.join();
  EXPECT_EQ(torn, 0);
}

TEST_F(MountTest, ALostBlobIsEioForThatFileOnly) {
  put_model("o/m", {{"lost", "gone"}, {"fine", "here"}});
  mount();
  const std::string hex = base::Sha256::of(std::string_view("gone")).hex();
  fs::remove(top_ / "store/blobs/sha256" / hex.substr(0, 2) / hex);
  EXPECT_EQ(::open((mount_point_ / "o/m/lost").c_str(), O_RDONLY | O_CLOEXEC), -1);
  EXPECT_EQ(errno, EIO);
  EXPECT_THAT(log_.text(), HasSubstr(hex));
  EXPECT_EQ(read_file(mount_point_ / "o/m/fine"), "here");
}

TEST_F(MountTest, TwoMountsOfOneStoreInTwoLayouts) {
  const std::string gguf = random_bytes(300'000, 3);
  ASSERT_TRUE(store_->put(gguf));
  ASSERT_TRUE(store_->put("{}"));
  const std::string bytes = testing::ollama_manifest_bytes("{}", testing::kGgufLayer, gguf);
  put_record(testing::ollama_record("m:t", "ollama://m:t", *store_->put(bytes)));
  mount();
  const fs::path other = top_ / "m2";
  fs::create_directory(other);
  auto second = try_mount(other, Layout::kOllama);
  ASSERT_TRUE(second) << second.error().text();
  EXPECT_TRUE(read_file(mount_point_ / "library/m:t/m-t.gguf") == gguf);
  EXPECT_EQ(read_file(other / "manifests/registry.ollama.ai/library/m/t"), bytes);
  const std::string blob = "sha256-" + base::Sha256::of(std::string_view(gguf)).hex();
  EXPECT_TRUE(read_file(other / "blobs" / blob) == gguf);
  ASSERT_TRUE(refs_->remove("m:t"));
  EXPECT_TRUE(
      soon([&] { return fs::is_empty(other / "blobs") && fs::is_empty(other / "manifests"); }));
}

}  // namespace
}  // namespace castool::fusefs
