// The ed25519 key with which Ollama signs its token requests, and the signature.
//
// Key file: OpenSSH's "openssh-key-v1" (PROTOCOL.key of OpenSSH), unencrypted, one ed25519 key:
//   "openssh-key-v1\0" string cipher("none") string kdf("none") string kdfoptions("") uint32 1
//   string public blob, string private section:
//     uint32 check, uint32 check, string "ssh-ed25519", string public(32), string seed+public(64),
//     string comment, padding 1 2 3 …
// where string is a uint32 length, big-endian, and the bytes. The only file of this room that knows
// OpenSSL. Values; safe from any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace castool::pull {

class Ed25519Key {
 public:
  using Seed = std::array<std::uint8_t, 32>;

  // kUnsupported for an encrypted or another kind of key, kIo for what is no key file. No message
  // holds anything of the file.
  [[nodiscard]] static base::Result<Ed25519Key> parse_openssh(std::string_view pem);

  Ed25519Key(const Ed25519Key&) = default;
  Ed25519Key& operator=(const Ed25519Key&) = default;
  ~Ed25519Key();

  // The public key as ssh prints it in base64, decoded: string "ssh-ed25519", string key.
  [[nodiscard]] const std::string& public_blob() const { return public_blob_; }
  // 64 raw bytes.
  [[nodiscard]] base::Result<std::string> sign(std::string_view message) const;

 private:
  Ed25519Key(const Seed& seed, std::string public_blob)
      : seed_(seed), public_blob_(std::move(public_blob)) {}

  Seed seed_;
  std::string public_blob_;
};

[[nodiscard]] std::string base64(std::string_view bytes);
// Without padding, URL-safe alphabet.
[[nodiscard]] std::string base64_url(std::string_view bytes);
[[nodiscard]] base::Result<std::string> random_bytes(std::size_t count);

// The value of Authorization for a GET of `url` (Ollama's auth package): base64 of the public blob,
// ':', base64 of the signature over "GET,<url>,<base64 of the hex sha256 of an empty body>".
[[nodiscard]] base::Result<std::string> signed_authorization(const Ed25519Key& key,
                                                             std::string_view url);

}  // namespace castool::pull
