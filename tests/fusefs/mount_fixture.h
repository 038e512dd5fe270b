// A real mount over a real store in a directory of its own, unmounted and removed also on failure.
// Tests are skipped only where there is no /dev/fuse.
#pragma once

#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <utility>

#include <gtest/gtest.h>

#include "fusefs/fakes.h"
#include "fusefs/mount.h"

namespace castool::fusefs::testing {

namespace fs = std::filesystem;

constexpr std::chrono::milliseconds kFollows{1000};  // what the contract gives a view

inline std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream bytes;
  bytes << file.rdbuf();
  return file ? bytes.str() : "unreadable " + path.string();
}

inline std::string random_bytes(std::size_t size, unsigned seed) {
  std::mt19937_64 random(seed);
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; i += 8) {
    const std::uint64_t word = random();
    std::memcpy(bytes.data() + i, &word, std::min<std::size_t>(8, size - i));
  }
  return bytes;
}

class MountTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::access("/dev/fuse", F_OK) != 0) GTEST_SKIP() << "there is no /dev/fuse here";
    std::string pattern = (fs::temp_directory_path() / "castool-mount-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    top_ = pattern;
    mount_point_ = top_ / "m";
    fs::create_directory(mount_point_);
    auto store = cas::Store::open(top_ / "store", cas::Access::kWrite, files_, clock_, log_);
    ASSERT_TRUE(store) << store.error().text();
    store_ = *std::move(store);
    auto refs = cas::RefStore::open(*store_, "default");
    ASSERT_TRUE(refs) << refs.error().text();
    refs_.emplace(*std::move(refs));
  }

  void TearDown() override {
    if (top_.empty()) return;
    mount_.reset();
    for (const char* name : {"m", "m2"}) ::umount2((top_ / name).c_str(), MNT_DETACH);
    std::error_code ignored;
    fs::remove_all(top_, ignored);
  }

  void put_model(const std::string& name, const Files& files, std::int64_t pulled_at = 1000) {
    for (const auto& [path, bytes] : files) ASSERT_TRUE(store_->put(bytes));
    const auto manifest = store_->put(hub_manifest_bytes(name, files));
    ASSERT_TRUE(manifest);
    put_record(hub_record(name, *manifest, pulled_at));
  }
  // The same without the files' bytes in the store.
  void put_partial_model(const std::string& name, const Files& files) {
    const auto manifest = store_->put(hub_manifest_bytes(name, files));
    ASSERT_TRUE(manifest);
    manifest::RefRecord record = hub_record(name, *manifest);
    record.state = manifest::RefState::kPartial;
    put_record(record);
  }
  void put_record(const manifest::RefRecord& record) {
    ASSERT_TRUE(refs_->put(record.name, manifest::print_ref_record(record)));
  }
  base::Result<std::unique_ptr<Mount>> try_mount(const fs::path& directory,
                                                 Layout layout = Layout::kOvms) {
    MountOptions options;
    options.directory = directory;
    options.layout = layout;
    options.source_name = store_->root();
    options.may_read = [](const BlobHome&, const base::Digest&) { return true; };
    return Mount::start(options, *store_, *refs_, filler_, clock_, log_);
  }
  void mount() {
    auto mounted = try_mount(mount_point_);
    ASSERT_TRUE(mounted) << mounted.error().text();
    mount_ = *std::move(mounted);
  }
  // Looks until it is so or the view's second is over.
  static bool soon(const std::function<bool()>& so) {
    const auto end = std::chrono::steady_clock::now() + kFollows;
    while (!so()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::yield();
    }
    return true;
  }

  fs::path top_;
  fs::path mount_point_;
  base::SystemFileOps files_;
  base::SystemClock clock_;
  RecordingLog log_;
  BlobFiller* filler_ = nullptr;  // of the mounts to come
  std::unique_ptr<cas::Store> store_;
  std::optional<cas::RefStore> refs_;
  std::unique_ptr<Mount> mount_;
};

}  // namespace castool::fusefs::testing
