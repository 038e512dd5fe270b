// What the tests of the store share: a store in a directory of its own, made content, and a look at
// the store's first invariant.
#pragma once

#include <sys/stat.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/hasher.h"
#include "base/log.h"
#include "cas/partial.h"
#include "cas/store.h"

namespace castool::cas {

// Bytes that look random and are the same for the same seed.
inline std::string content(std::size_t size, std::uint32_t seed = 1) {
  std::mt19937_64 random(seed);
  std::string bytes(size + sizeof(std::uint64_t), '\0');
  for (std::size_t at = 0; at < size; at += sizeof(std::uint64_t)) {
    const std::uint64_t word = random();
    std::memcpy(bytes.data() + at, &word, sizeof word);
  }
  bytes.resize(size);
  return bytes;
}

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

inline std::string slurp(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  std::string bytes(error ? 0 : size, '\0');
  in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<std::size_t>(in.gcount()));
  return bytes;
}

inline void spill(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

class TempDir {
 public:
  TempDir() {
    std::string pattern = (std::filesystem::temp_directory_path() / "castool-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

class StoreTest : public ::testing::Test {
 protected:
  [[nodiscard]] std::filesystem::path root() const { return dir_.path() / "store"; }

  [[nodiscard]] base::Result<std::unique_ptr<Store>> try_open(base::FileOps& files,
                                                              Access access = Access::kWrite) {
    return Store::open(root().string(), access, files, clock_, *log_);
  }
  [[nodiscard]] std::unique_ptr<Store> open(Access access = Access::kWrite) {
    auto store = try_open(files_, access);
    EXPECT_TRUE(store) << store.error().text();
    return store ? *std::move(store) : nullptr;
  }
  [[nodiscard]] std::filesystem::path blob_file(const base::Digest& digest) const {
    return root() / "blobs/sha256" / digest.hex().substr(0, 2) / digest.hex();
  }
  [[nodiscard]] static PartialKey key_of(const std::string& bytes) {
    return {base::Sha256::of(bytes), bytes.size(), "https://host org/name"};
  }
  [[nodiscard]] std::filesystem::path partial_path(const PartialKey& key) const {
    return root() / "partials" / (key.digest.hex() + "-" + origin_key(key.origin));
  }

  // Promise 1 of the store: what has a name under blobs/ hashes to it. Returns how many there are.
  std::size_t check_blobs() const {
    std::size_t count = 0;
    std::error_code error;
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(root() / "blobs", error)) {
      if (!entry.is_regular_file()) continue;
      ++count;
      EXPECT_EQ(base::Sha256::of(slurp(entry.path())).hex(), entry.path().filename().string());
      struct stat info = {};
      EXPECT_EQ(::stat(entry.path().c_str(), &info), 0);
      EXPECT_EQ(info.st_mode & 07777, 0444u);
    }
    return count;
  }
  [[nodiscard]] std::size_t entries(const std::string& below) const {
    std::error_code error;
    const std::filesystem::directory_iterator all(root() / below, error);
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
  }

  TempDir dir_;
  base::SystemFileOps files_;
  base::SystemClock clock_;
  std::unique_ptr<base::Log> log_ = base::make_null_log();
};

// Fills everything that can be claimed from `bytes`; the error that stopped it, if one did.
inline base::Status fill(Partial& partial, const std::string& bytes,
                         std::uint64_t run = 4 * kChunkSize) {
  constexpr std::size_t kPiece = 128 << 10;
  while (true) {
    CASTOOL_ASSIGN(const auto writer, partial.claim(0, run, {0, bytes.size()}));
    if (!writer) return base::ok();
    while (writer->next_offset() < writer->end_offset()) {
      const auto at = writer->next_offset();
      const auto piece = std::min<std::uint64_t>(kPiece, writer->end_offset() - at);
      CASTOOL_RETURN_IF_ERROR(writer->append(bytes_of(bytes).subspan(at, piece)));
    }
  }
}

}  // namespace castool::cas
