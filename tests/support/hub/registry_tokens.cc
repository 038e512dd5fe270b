#include "tests/support/hub/registry_tokens.h"

#include <cstdlib>
#include <memory>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <openssl/evp.h>

namespace castool::hub {
namespace {

constexpr std::string_view kEmptyBodyHash =
    "ZTNiMGM0NDI5OGZjMWMxNDlhZmJmNGM4OTk2ZmI5MjQyN2FlNDFlNDY0OWI5MzRjYTQ5NTk5MWI3ODUyYjg1NQ==";
constexpr std::size_t kKeySize = 32;
constexpr std::size_t kSignatureSize = 64;
constexpr long long kClockSkewSeconds = 300;

const unsigned char* bytes(const std::string& text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

// Standard base64 with padding; empty if it is none.
std::string base64_decode(const std::string& text) {
  if (text.empty() || text.size() % 4 != 0) return {};
  std::string decoded(text.size() / 4 * 3, '\0');
  const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(decoded.data()), bytes(text),
                                   static_cast<int>(text.size()));
  if (size < 0) return {};
  // EVP_DecodeBlock counts the padding as bytes.
  std::size_t padding = 0;
  while (padding < 2 && text[text.size() - 1 - padding] == '=') ++padding;
  decoded.resize(static_cast<std::size_t>(size) - padding);
  return decoded;
}

// One "length, bytes" field of the SSH wire format, taken off the front of `rest`.
std::string take_field(std::string& rest) {
  if (rest.size() < 4) return {};
  std::size_t length = 0;
  for (std::size_t i = 0; i < 4; ++i) length = length << 8 | bytes(rest)[i];
  if (length > rest.size() - 4) return {};
  std::string field = rest.substr(4, length);
  rest.erase(0, 4 + length);
  return field;
}

bool verify(const std::string& key, const std::string& message, const std::string& signature) {
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> pkey(
      EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes(key), key.size()),
      &EVP_PKEY_free);
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        &EVP_MD_CTX_free);
  return pkey && context &&
         EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, pkey.get()) == 1 &&
         EVP_DigestVerify(context.get(), bytes(signature), signature.size(), bytes(message),
                          message.size()) == 1;
}

// What is wrong with the request's signature, or empty.
std::string complaint(const Request& request, const std::string& origin_url) {
  const std::string authorization = request.headers.get("Authorization");
  const std::size_t colon = authorization.find(':');
  if (colon == std::string::npos) return "no key and signature in Authorization";
  std::string blob = base64_decode(authorization.substr(0, colon));
  const std::string signature = base64_decode(authorization.substr(colon + 1));
  if (take_field(blob) != "ssh-ed25519") return "the key is no ssh-ed25519 key";
  const std::string key = take_field(blob);
  if (key.size() != kKeySize || !blob.empty()) return "the key is not 32 bytes";
  if (signature.size() != kSignatureSize) return "the signature is not 64 bytes";
  const std::string message =
      fmt::format("GET,{}{},{}", origin_url, request.target, kEmptyBodyHash);
  return verify(key, message, signature) ? "" : "the signature does not fit the request";
}

Response refuse(const std::string& message) {
  return Response::json(401, nlohmann::json{{"error", message}}.dump());
}

}  // namespace

Response RegistryTokens::issue(const Request& request, const std::string& origin_url,
                               double token_seconds) {
  if (request.method != "GET") return Response::text(405, "GET only");
  const std::string wrong = complaint(request, origin_url);
  if (!wrong.empty()) return refuse(wrong);
  const long long asked_at =
      std::strtoll(request.parameter("ts").value_or("0").c_str(), nullptr, 10);
  const auto now = std::chrono::system_clock::now();
  if (std::llabs(asked_at - std::chrono::system_clock::to_time_t(now)) > kClockSkewSeconds) {
    return refuse("ts is not the time");
  }
  const std::string nonce = request.parameter("nonce").value_or("");
  if (nonce.size() < 16) return refuse("nonce is too short");
  const base::MutexLock lock(mutex_);
  if (!nonces_.insert(nonce).second) return refuse("nonce was used before");
  const std::string token = fmt::format("registry-token-{}", ++issued_);
  tokens_[token] = std::chrono::steady_clock::now() +
                   std::chrono::duration_cast<std::chrono::steady_clock::duration>(
                       std::chrono::duration<double>(token_seconds));
  return Response::json(200, nlohmann::json{{"token", token}}.dump());
}

bool RegistryTokens::is_valid(const std::string& token) const {
  const base::MutexLock lock(mutex_);
  const auto found = tokens_.find(token);
  return found != tokens_.end() && found->second > std::chrono::steady_clock::now();
}

void RegistryTokens::revoke_all() {
  const base::MutexLock lock(mutex_);
  tokens_.clear();
}

}  // namespace castool::hub
