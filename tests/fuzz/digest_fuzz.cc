#include "base/digest.h"
#include "tests/fuzz/fuzz.h"

using castool::base::Digest;
using castool::base::GitOid;
using castool::fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = castool::fuzz::text_of(data, size);
  if (const auto digest = Digest::parse(text)) {
    require(digest->text() == text, "a digest has one spelling");
    require(Digest::parse_hex(digest->hex()).value() == *digest, "hex is the same digest");
  }
  if (const auto digest = Digest::parse_hex(text)) {
    require(digest->hex() == text, "a digest has one spelling in hex");
  }
  if (const auto oid = GitOid::parse_hex(text)) {
    require(oid->hex() == text, "a git id has one spelling");
  }
  return 0;
}
