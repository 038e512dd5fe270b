#include "pull/ollama_signature.h"

#include <string>

#include <gtest/gtest.h>

#include "tests/pull/test_keys.h"

namespace castool::pull {
namespace {

using base::Code;

constexpr const char* kPublicBase64 =
    "AAAAC3NzaC1lZDI1NTE5AAAAIBMIzq/2WztzBSoULN5+oRuTujLzy2ZwPhbxOCrfMYZH";

TEST(Ed25519Key, HasThePublicHalfThatSshPrints) {
  const auto key = Ed25519Key::parse_openssh(kPlainKey);
  ASSERT_TRUE(key) << key.error().text();
  EXPECT_EQ(base64(key->public_blob()), kPublicBase64);
}

TEST(Ed25519Key, TakesWindowsLineEndsAndTextAround) {
  std::string text = "a comment\n" + std::string(kPlainKey) + "more\n";
  for (std::size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 2) {
    text.replace(at, 1, "\r\n");
  }
  EXPECT_TRUE(Ed25519Key::parse_openssh(text));
}

// The signature of openssl pkeyutl -sign over the same text with the same key.
TEST(SignedAuthorization, IsWhatOllamaWouldSend) {
  const auto key = Ed25519Key::parse_openssh(kPlainKey);
  ASSERT_TRUE(key);
  const auto value = signed_authorization(
      *key,
      "https://r.ollama.ai/v2/token?nonce=AAAAAAAAAAAAAAAAAAAAAA&scope=repository%3Alibrary%2F"
      "llama3.2%3Apull&service=ollama&ts=1700000000");
  ASSERT_TRUE(value);
  EXPECT_EQ(*value,
            std::string(kPublicBase64) +
                ":1LKeGIBuWfyqY+j/sF5KOYPieCQ6IYj37gb1+QS0M6x+pQi7m4W3l6Do3er9ZcIPLGnBR9+TUUScMLDi"
                "PHbyAw==");
}

TEST(Ed25519Key, RefusesOtherKeys) {
  const auto encrypted = Ed25519Key::parse_openssh(kEncryptedKey);
  ASSERT_FALSE(encrypted);
  EXPECT_EQ(encrypted.error().code, Code::kUnsupported);
  const auto ecdsa = Ed25519Key::parse_openssh(kEcdsaKey);
  ASSERT_FALSE(ecdsa);
  EXPECT_EQ(ecdsa.error().code, Code::kUnsupported);
}

TEST(Ed25519Key, SurvivesEveryCutAndEveryChangedCharacter) {
  const std::string whole = kPlainKey;
  const std::size_t body = whole.find('\n') + 1;
  for (std::size_t size = 0; size + 2 < whole.size(); ++size) {
    EXPECT_FALSE(Ed25519Key::parse_openssh(whole.substr(0, size)));
  }
  for (std::size_t at = body; at < whole.find("\n-----END"); ++at) {
    std::string changed = whole;
    changed[at] = changed[at] == 'B' ? 'C' : 'B';
    const auto key = Ed25519Key::parse_openssh(changed);
    if (key) continue;  // the comment and the padding are not the key
    EXPECT_EQ(key.error().text().find(changed.substr(body, 20)), std::string::npos);
  }
}

TEST(Base64, HasBothAlphabets) {
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("\xff\xef"), "/+8=");
  EXPECT_EQ(base64_url("\xff\xef"), "_-8");
}

TEST(RandomBytes, Differ) {
  const auto a = random_bytes(16), b = random_bytes(16);
  ASSERT_TRUE(a && b);
  EXPECT_EQ(a->size(), 16u);
  EXPECT_NE(*a, *b);
}

}  // namespace
}  // namespace castool::pull
