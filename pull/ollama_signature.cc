#include "pull/ollama_signature.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "base/hasher.h"

namespace castool::pull {
namespace {

using base::Code;
using base::make_error;
using base::Result;

constexpr std::string_view kBegin = "-----BEGIN OPENSSH PRIVATE KEY-----";
constexpr std::string_view kEnd = "-----END OPENSSH PRIVATE KEY-----";
constexpr std::string_view kMagic{"openssh-key-v1\0", 15};
constexpr std::string_view kKeyType = "ssh-ed25519";
constexpr std::size_t kMaxKeyFile = 64u << 10;

struct FreePkey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
struct FreeContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

const unsigned char* octets(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

// Reads the "string" and "uint32" fields of the key format; every take fails once the text is
// short.
class Fields {
 public:
  explicit Fields(std::string_view text) : rest_(text) {}

  bool literal(std::string_view expected) {
    if (!rest_.starts_with(expected)) return false;
    rest_.remove_prefix(expected.size());
    return true;
  }
  std::optional<std::uint32_t> number() {
    if (rest_.size() < 4) return std::nullopt;
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < 4; ++i) value = value << 8 | octets(rest_)[i];
    rest_.remove_prefix(4);
    return value;
  }
  std::optional<std::string_view> string() {
    const auto size = number();
    if (!size || *size > rest_.size()) return std::nullopt;
    const std::string_view value = rest_.substr(0, *size);
    rest_.remove_prefix(*size);
    return value;
  }

 private:
  std::string_view rest_;
};

// The bytes between the two lines of a PEM text; empty when it is none.
std::string decode_pem(std::string_view pem) {
  const std::size_t begin = pem.find(kBegin);
  const std::size_t end = pem.find(kEnd);
  if (pem.size() > kMaxKeyFile || begin == std::string_view::npos ||
      end == std::string_view::npos || end < begin + kBegin.size()) {
    return {};
  }
  std::string text;
  for (const char c : pem.substr(begin + kBegin.size(), end - begin - kBegin.size())) {
    if (c != '\n' && c != '\r' && c != ' ' && c != '\t') text += c;
  }
  if (text.empty() || text.size() % 4 != 0) return {};
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  std::string bytes(text.size() / 4 * 3, '\0');
  const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()), octets(text),
                                   static_cast<int>(text.size()));
  OPENSSL_cleanse(text.data(), text.size());
  if (size < 0) return {};
  bytes.resize(static_cast<std::size_t>(size) - padding);
  return bytes;
}

struct PrivatePart {
  Ed25519Key::Seed seed;
  std::string_view public_key;
};

// The private section of an unencrypted key; nullopt when it contradicts itself.
std::optional<PrivatePart> read_private(std::string_view section) {
  Fields fields(section);
  const auto check = fields.number();
  const auto again = fields.number();
  const auto type = fields.string();
  const auto public_key = fields.string();
  const auto secret = fields.string();
  if (!check || check != again || type != kKeyType) return std::nullopt;
  if (!public_key || public_key->size() != 32 || !secret || secret->size() != 64) {
    return std::nullopt;
  }
  if (secret->substr(32) != *public_key) return std::nullopt;
  PrivatePart part{};
  std::copy_n(octets(*secret), part.seed.size(), part.seed.begin());
  part.public_key = *public_key;
  return part;
}

}  // namespace

Result<Ed25519Key> Ed25519Key::parse_openssh(std::string_view pem) {
  std::string bytes = decode_pem(pem);
  const std::unique_ptr<std::string, void (*)(std::string*)> wipe(
      &bytes, [](std::string* secret) { OPENSSL_cleanse(secret->data(), secret->size()); });
  Fields fields(bytes);
  if (!fields.literal(kMagic)) return make_error(Code::kIo, "not an OpenSSH private key");
  const auto cipher = fields.string();
  const auto kdf = fields.string();
  const auto kdf_options = fields.string();
  const auto count = fields.number();
  const auto public_blob = fields.string();
  const auto section = fields.string();
  if (!kdf || !kdf_options || !public_blob || !section) {
    return make_error(Code::kIo, "the private key is cut short");
  }
  if (cipher != "none") {
    return make_error(Code::kUnsupported, "the private key is encrypted",
                      "use one without a passphrase");
  }
  Fields blob(*public_blob);
  const auto type = blob.string();
  const auto blob_key = blob.string();
  if (count != 1u || type != kKeyType) {
    return make_error(Code::kUnsupported, "the private key is not one ed25519 key");
  }
  auto part = read_private(*section);
  if (!part || blob_key != part->public_key) {
    return make_error(Code::kIo, "the private key is damaged");
  }
  Ed25519Key key(part->seed, std::string(*public_blob));
  OPENSSL_cleanse(part->seed.data(), part->seed.size());
  return key;
}

Ed25519Key::~Ed25519Key() { OPENSSL_cleanse(seed_.data(), seed_.size()); }

Result<std::string> Ed25519Key::sign(std::string_view message) const {
  const std::unique_ptr<EVP_PKEY, FreePkey> key(
      EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed_.data(), seed_.size()));
  const std::unique_ptr<EVP_MD_CTX, FreeContext> context(EVP_MD_CTX_new());
  std::string signature(64, '\0');
  std::size_t size = signature.size();
  const bool signed_ok =
      key && context &&
      EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
      EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                     octets(message), message.size()) == 1;
  if (!signed_ok || size != signature.size()) {
    return make_error(Code::kInternal, "signing a token request failed");
  }
  return signature;
}

std::string base64(std::string_view bytes) {
  // EVP_EncodeBlock writes a terminating NUL as well.
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), octets(bytes),
                                   static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(size));
  return text;
}

std::string base64_url(std::string_view bytes) {
  std::string text = base64(bytes);
  while (text.ends_with('=')) text.pop_back();
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  return text;
}

Result<std::string> random_bytes(std::size_t count) {
  std::string bytes(count, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(count)) != 1) {
    return make_error(Code::kInternal, "no random numbers to be had");
  }
  return bytes;
}

Result<std::string> signed_authorization(const Ed25519Key& key, std::string_view url) {
  const std::string body_hash = base64(base::Sha256::of(std::string_view()).hex());
  CASTOOL_ASSIGN(const std::string signature, key.sign(fmt::format("GET,{},{}", url, body_hash)));
  return base64(key.public_blob()) + ":" + base64(signature);
}

}  // namespace castool::pull
