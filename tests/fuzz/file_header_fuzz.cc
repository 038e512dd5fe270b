#include <span>

#include "manifest/file_header.h"
#include "tests/fuzz/fuzz.h"

using castool::fuzz::require;
using castool::manifest::FileFormat;
using castool::manifest::header_extent;
using castool::manifest::HeaderExtent;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  for (const FileFormat format :
       {FileFormat::kOther, FileFormat::kGguf, FileFormat::kSafetensors}) {
    for (const std::uint64_t of : {std::uint64_t{size}, std::uint64_t{1} << 40}) {
      const auto whole = header_extent(format, bytes, of);
      require(whole.bytes <= of, "a header lies inside its file");
      require(whole.bytes <= castool::manifest::kMaxFileHeader, "a header has an end");
      if (whole.known == HeaderExtent::Known::kAtLeast) {
        require(whole.bytes > size, "more is asked for than is there");
      }
    }
  }
  return 0;
}
