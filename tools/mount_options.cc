#include "tools/mount_options.h"

#include <charconv>

#include <fmt/format.h>

namespace castool::tools {
namespace {

using base::Code;
using base::make_error;
using base::Result;
using base::Status;

// The id after "uid=" or "gid=". The highest value means "unchanged" to chown(2), never an owner.
Result<std::uint32_t> parse_id(std::string_view word, std::string_view digits) {
  std::uint32_t id = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, failure] = std::from_chars(digits.data(), end, id);
  if (digits.empty() || failure != std::errc{} || stop != end || id == UINT32_MAX) {
    return make_error(Code::kUsage, fmt::format("-o {}: not a numeric id", word));
  }
  return id;
}

Status apply_word(std::string_view word, MountArguments& arguments) {
  if (word == "allow_other") {
    arguments.allow_other = true;
  } else if (word.starts_with("uid=")) {
    CASTOOL_ASSIGN(arguments.uid, parse_id(word, word.substr(4)));
  } else if (word.starts_with("gid=")) {
    CASTOOL_ASSIGN(arguments.gid, parse_id(word, word.substr(4)));
  } else {
    return make_error(Code::kUsage, fmt::format("-o {}: unknown mount option", word),
                      "allow_other, uid=N and gid=N are understood");
  }
  return base::ok();
}

}  // namespace

Status apply_mount_options(std::string_view words, MountArguments& arguments) {
  while (true) {
    const std::size_t comma = words.find(',');
    CASTOOL_RETURN_IF_ERROR(apply_word(words.substr(0, comma), arguments));
    if (comma == std::string_view::npos) return base::ok();
    words.remove_prefix(comma + 1);
  }
}

}  // namespace castool::tools
