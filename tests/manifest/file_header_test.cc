#include "manifest/file_header.h"

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace castool::manifest {
namespace {

using Known = HeaderExtent::Known;

template <class Number>
std::string little(Number value) {
  std::string bytes;
  for (std::size_t i = 0; i < sizeof(Number); ++i) {
    bytes += static_cast<char>((value >> (8 * i)) & 0xff);
  }
  return bytes;
}
std::string u32(std::uint32_t value) { return little(value); }
std::string u64(std::uint64_t value) { return little(value); }
std::string text(const std::string& value) { return u64(value.size()) + value; }

std::string gguf(std::uint64_t tensors, std::uint64_t pairs) {
  return "GGUF" + u32(3) + u64(tensors) + u64(pairs);
}

HeaderExtent extent(FileFormat format, const std::string& front, std::uint64_t size = 1u << 30) {
  return header_extent(format, std::as_bytes(std::span(front)), size);
}

// Of every prefix the extent is a promise: exact at the end, more than the prefix before.
void expect_header(FileFormat format, const std::string& header) {
  for (std::size_t length = 0; length < header.size(); ++length) {
    const auto found = extent(format, header.substr(0, length));
    EXPECT_EQ(found.known, Known::kAtLeast) << length;
    EXPECT_GT(found.bytes, length);
    EXPECT_LE(found.bytes, header.size()) << length;
  }
  for (const std::string& behind : {std::string(), std::string("tensor data")}) {
    const auto found = extent(format, header + behind);
    EXPECT_EQ(found.known, Known::kExactly);
    EXPECT_EQ(found.bytes, header.size());
  }
}

TEST(FileHeader, FormatIsByName) {
  EXPECT_EQ(format_of_path("a/b.gguf"), FileFormat::kGguf);
  EXPECT_EQ(format_of_path("B.GGUF"), FileFormat::kGguf);
  EXPECT_EQ(format_of_path("model-00001-of-2.safetensors"), FileFormat::kSafetensors);
  EXPECT_EQ(format_of_path("model.bin"), FileFormat::kOther);
  EXPECT_EQ(format_of_path("gguf"), FileFormat::kOther);
}

TEST(FileHeader, Safetensors) {
  expect_header(FileFormat::kSafetensors, u64(12) + "{\"a\":{\"b\":1}");
  // A length that cannot be meant is no reason to fetch all of it.
  const auto huge = extent(FileFormat::kSafetensors, u64(~0ULL));
  EXPECT_EQ(huge.bytes, kMaxFileHeader);
  EXPECT_EQ(extent(FileFormat::kSafetensors, u64(100), 20).bytes, 20u);
}

TEST(FileHeader, GgufPairsAndTensors) {
  std::string header = gguf(2, 5);
  header += text("general.architecture") + u32(8) + text("llama");
  header += text("byte") + u32(0) + "x";
  header += text("double") + u32(12) + u64(7);
  header += text("tokens") + u32(9) + u32(8) + u64(3) + text("a") + text("") + text("ccc");
  header += text("nested") + u32(9) + u32(9) + u64(1) + u32(5) + u64(2) + u64(0);
  header += text("blk.0") + u32(2) + u64(4) + u64(4) + u32(0) + u64(0);
  header += text("blk.1") + u32(1) + u64(4) + u32(0) + u64(64);
  expect_header(FileFormat::kGguf, header);
}

TEST(FileHeader, GgufWithoutAnything) { expect_header(FileFormat::kGguf, gguf(0, 0)); }

TEST(FileHeader, WhatIsNoneEndsWhereThatShows) {
  const struct {
    std::string front;
    std::uint64_t bytes;
  } rows[] = {
      {std::string(100, 'x'), 4},
      {"GGUF" + u32(1) + std::string(100, 'x'), 8},
      {gguf(0, 1) + text("k") + u32(99) + std::string(50, 'x'), 24 + 9 + 4},
      {gguf(1, 0) + text("t") + u32(4'000'000) + std::string(50, 'x'), 24 + 9 + 4},
  };
  for (const auto& row : rows) {
    const auto found = extent(FileFormat::kGguf, row.front);
    EXPECT_EQ(found.known, Known::kExactly);
    EXPECT_EQ(found.bytes, row.bytes);
  }
  EXPECT_EQ(extent(FileFormat::kOther, "anything").bytes, 0u);
}

TEST(FileHeader, HugeCountsEndAtTheLimit) {
  const std::string fronts[] = {
      gguf(0, 1) + text("k") + u32(9) + u32(12) + u64(~0ULL),
      gguf(0, 1) + text("k") + u32(8) + u64(~0ULL - 5),
      gguf(0, 1) + u64(1ULL << 63),
  };
  for (const std::string& front : fronts) {
    const auto found = extent(FileFormat::kGguf, front);
    EXPECT_EQ(found.known, Known::kAtLeast);
    EXPECT_EQ(found.bytes, kMaxFileHeader);
    const auto all = extent(FileFormat::kGguf, front + std::string(kMaxFileHeader, '\0'));
    EXPECT_EQ(all.known, Known::kExactly);
    EXPECT_LE(all.bytes, kMaxFileHeader);
  }
  // Arrays in arrays, deeper than anybody means.
  std::string deep = gguf(0, 1) + text("k") + u32(9);
  for (int i = 0; i < 100; ++i) deep += u32(9) + u64(1);
  EXPECT_EQ(extent(FileFormat::kGguf, deep + std::string(100, 'x')).known, Known::kExactly);
}

// A file that is read from its front each time; `sizes` are of the places that were filled.
struct Front {
  std::string bytes;
  std::vector<std::size_t> sizes = {};

  base::Result<std::size_t> operator()(std::span<std::byte> place) {
    sizes.push_back(place.size());
    const std::size_t got = std::min(place.size(), bytes.size());
    std::ranges::copy(std::as_bytes(std::span(bytes)).first(got), place.begin());
    return got;
  }
};

TEST(ReadHeader, ReadsUntilItIsWhole) {
  // Strings that tell their length one by one: each look tells a little more.
  std::string header = gguf(0, 1) + text("tokens") + u32(9) + u32(8) + u64(3);
  for (int i = 0; i < 3; ++i) header += text(std::string(1u << 20, 'x'));
  Front file{header + std::string(9u << 20, 't')};
  const auto front = read_header(FileFormat::kGguf, file.bytes.size(), std::ref(file));
  ASSERT_TRUE(front);
  ASSERT_GE(front->size(), header.size());
  EXPECT_TRUE(
      std::ranges::equal(*front, std::as_bytes(std::span(file.bytes)).first(front->size())));
  EXPECT_EQ(file.sizes, (std::vector<std::size_t>{1u << 20, 2u << 20, 4u << 20}));
}

TEST(ReadHeader, ASmallFileIsReadOnce) {
  Front file{gguf(0, 0)};
  const auto front = read_header(FileFormat::kGguf, file.bytes.size(), std::ref(file));
  ASSERT_TRUE(front);
  EXPECT_EQ(front->size(), file.bytes.size());
  EXPECT_EQ(file.sizes.size(), 1u);
}

TEST(ReadHeader, HugeLengthsEndAtTheLimit) {
  Front file{gguf(0, 1) + text("k") + u32(8) + u64(~0ULL - 5) + std::string(40u << 20, 'x')};
  const auto front = read_header(FileFormat::kGguf, file.bytes.size(), std::ref(file));
  ASSERT_TRUE(front);
  EXPECT_EQ(front->size(), kMaxFileHeader);
}

TEST(ReadHeader, AFileThatBecameShorterIsAnError) {
  Front file{gguf(0, 0)};
  const auto front = read_header(FileFormat::kGguf, 1000, std::ref(file));
  ASSERT_FALSE(front);
  EXPECT_EQ(front.error().code, base::Code::kIo);
}

}  // namespace
}  // namespace castool::manifest
