#include <string>

#include "pull/ollama_signature.h"
#include "tests/fuzz/fuzz.h"

using castool::fuzz::require;
namespace pull = castool::pull;

namespace {

void check(std::string_view pem) {
  const auto key = pull::Ed25519Key::parse_openssh(pem);
  if (!key) {
    const std::string said = key.error().text();
    require(said.size() < 100 && said.find('\n') == std::string::npos, "a message of our own");
    return;
  }
  const std::string_view blob = key->public_blob();
  // The key is the second string of it; something may follow, which ssh ignores too.
  require(blob.size() >= 51 && blob.substr(4, 11) == "ssh-ed25519", "an ed25519 key");
  const auto signature = key->sign("message");
  require(signature && signature->size() == 64, "what was read can sign");
}

}  // namespace

// As a file, and as the binary part of one, which the fuzzer would hardly write in base64.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = castool::fuzz::text_of(data, size);
  check(text);
  check("-----BEGIN OPENSSH PRIVATE KEY-----\n" + pull::base64(text) +
        "\n-----END OPENSSH PRIVATE KEY-----\n");
  return 0;
}
