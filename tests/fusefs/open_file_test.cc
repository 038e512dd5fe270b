#include "fusefs/open_file.h"

#include <gtest/gtest.h>

#include "fusefs/fakes.h"

namespace castool::fusefs {
namespace {

std::string bytes_of(const Slice& slice) {
  std::string bytes(slice.size, '\0');
  if (slice.data != nullptr) {
    std::copy_n(reinterpret_cast<const char*>(slice.data), slice.size, bytes.begin());
  } else if (slice.size > 0) {
    EXPECT_EQ(::pread(slice.fd, bytes.data(), bytes.size(), static_cast<off_t>(slice.offset)),
              static_cast<ssize_t>(bytes.size()));
  }
  return bytes;
}

TEST(OpenFile, SlicesAreCutAtTheEnd) {
  testing::FakeBlobs blobs;
  const std::string text = "0123456789";
  const FileContent blob = BlobContent{blobs.put(text)};
  for (const Mapping mapping : {Mapping::kWherePossible, Mapping::kNever}) {
    for (const FileContent& content : {blob, make_text(text)}) {
      const auto file = OpenFile::open(blobs, content, text.size(), mapping);
      ASSERT_TRUE(file);
      EXPECT_EQ(bytes_of(OpenFile::slice(*file, 0, 100)), text);
      EXPECT_EQ(bytes_of(OpenFile::slice(*file, 3, 4)), "3456");
      EXPECT_EQ(bytes_of(OpenFile::slice(*file, 9, 4)), "9");
      EXPECT_EQ(OpenFile::slice(*file, 10, 4).size, 0u);
      EXPECT_EQ(OpenFile::slice(*file, ~std::uint64_t{0}, 4).size, 0u);
    }
  }
}

TEST(OpenFile, OutlivesTheBlobsName) {
  testing::FakeBlobs blobs;
  const base::Digest digest = blobs.put("still here");
  const auto file = OpenFile::open(blobs, BlobContent{digest}, 10);
  ASSERT_TRUE(file);
  blobs.remove(digest);
  EXPECT_EQ(bytes_of(OpenFile::slice(*file, 0, 10)), "still here");
  EXPECT_FALSE(OpenFile::open(blobs, BlobContent{digest}, 10));
}

TEST(OpenFile, RefusesAnotherSizeThanTheManifestSays) {
  testing::FakeBlobs blobs;
  const base::Digest digest = blobs.put("short");
  const auto file = OpenFile::open(blobs, BlobContent{digest}, 6);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, base::Code::kDigestMismatch);
  EXPECT_EQ(file.error().digest, digest.text());
}

TEST(OpenFile, EmptyBlob) {
  testing::FakeBlobs blobs;
  const auto file = OpenFile::open(blobs, BlobContent{blobs.put("")}, 0);
  ASSERT_TRUE(file);
  EXPECT_EQ(OpenFile::slice(*file, 0, 1).size, 0u);
}

}  // namespace
}  // namespace castool::fusefs
