#include "base/digest.h"

#include <array>

#include <gtest/gtest.h>

#include "base/hasher.h"

namespace castool::base {
namespace {

const std::string kHex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

TEST(Digest, OneSpellingOnly) {
  const auto digest = Digest::parse("sha256:" + kHex);
  ASSERT_TRUE(digest);
  EXPECT_EQ(digest->text(), "sha256:" + kHex);
  EXPECT_EQ(*Digest::parse_hex(kHex), *digest);
  std::string upper = kHex;
  upper[0] = 'E';
  const std::array bad = {std::string(),
                          kHex,
                          "sha256:" + kHex + "0",
                          "sha256:" + kHex.substr(1),
                          "sha256:" + upper,
                          "SHA256:" + kHex,
                          "sha512:" + kHex,
                          "sha256-" + kHex,
                          " sha256:" + kHex,
                          "sha256:" + kHex + "\n",
                          "sha256:../../" + kHex.substr(6),
                          "sha256:" + kHex.substr(0, 63) + std::string(1, '\0')};
  for (const std::string& text : bad) {
    const auto refused = Digest::parse(text);
    ASSERT_FALSE(refused) << text;
    EXPECT_EQ(refused.error().code, Code::kBadManifest);
  }
}

TEST(GitOid, OneSpellingOnly) {
  const std::string hex(40, 'a');
  EXPECT_EQ(GitOid::parse_hex(hex)->hex(), hex);
  for (const std::string& text :
       {std::string(39, 'a'), std::string(41, 'a'), std::string(40, 'A')}) {
    EXPECT_FALSE(GitOid::parse_hex(text));
  }
}

TEST(Hasher, KnownDigests) {
  EXPECT_EQ(Sha256::of("").hex(), kHex);
  EXPECT_EQ(Sha256::of("abc").hex(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Sha256 hasher;
  hasher.update("a");
  hasher.update("bc");
  EXPECT_EQ(hasher.finish(), Sha256::of("abc"));
  EXPECT_EQ(hasher.finish().hex(), kHex);  // starts again
}

TEST(Hasher, GitIdsOfKnownFiles) {
  EXPECT_EQ(GitBlobHasher(0).finish().hex(), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
  GitBlobHasher hasher(6);
  hasher.update(std::as_bytes(std::span("hello\n", 6)));
  EXPECT_EQ(hasher.finish().hex(), "ce013625030ba8dba906f756967f9e9ca394464a");
}

}  // namespace
}  // namespace castool::base
