#include "fusefs/mount_table.h"

#include <sys/sysmacros.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>

namespace castool::fusefs {
namespace {

std::vector<std::string_view> fields_of(std::string_view line) {
  std::vector<std::string_view> fields;
  while (!line.empty()) {
    const std::size_t space = line.find(' ');
    fields.push_back(line.substr(0, space));
    line = space == std::string_view::npos ? std::string_view() : line.substr(space + 1);
  }
  return fields;
}

bool octal(char c) { return c >= '0' && c <= '7'; }

std::string decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escape = text[i] == '\\' && i + 3 < text.size() && octal(text[i + 1]) &&
                        octal(text[i + 2]) && octal(text[i + 3]);
    if (!escape) {
      out += text[i];
      continue;
    }
    out +=
        static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + text[i + 3] - '0');
    i += 3;
  }
  return out;
}

std::optional<dev_t> device_of(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  unsigned major_number = 0;
  unsigned minor_number = 0;
  const auto end = text.data() + text.size();
  if (std::from_chars(text.data(), text.data() + colon, major_number).ec != std::errc() ||
      std::from_chars(text.data() + colon + 1, end, minor_number).ec != std::errc())
    return std::nullopt;
  return makedev(major_number, minor_number);
}

// "36 35 98:0 /root /mnt rw,noatime shared:1 - ext3 /dev/root rw": any number of fields before "-".
std::optional<MountEntry> parse_line(std::string_view line) {
  const auto fields = fields_of(line);
  std::size_t dash = 6;
  while (dash < fields.size() && fields[dash] != "-") ++dash;
  if (dash + 2 >= fields.size()) return std::nullopt;
  const auto device = device_of(fields[2]);
  if (!device) return std::nullopt;
  return MountEntry{*device, decoded(fields[4]), decoded(fields[dash + 1]),
                    decoded(fields[dash + 2])};
}

base::Result<std::string> real_path(const std::string& path) {
  const std::unique_ptr<char, decltype(&std::free)> resolved(::realpath(path.c_str(), nullptr),
                                                             &std::free);
  if (!resolved) return base::errno_error(errno, path);
  return std::string(resolved.get());
}

}  // namespace

std::vector<MountEntry> parse_mountinfo(std::string_view text) {
  std::vector<MountEntry> table;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    if (auto entry = parse_line(text.substr(0, end))) table.push_back(*std::move(entry));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
  return table;
}

std::optional<MountEntry> mount_at(const std::vector<MountEntry>& table, std::string_view path) {
  // Later lines were mounted later, so the last one covers the others.
  for (auto entry = table.rbegin(); entry != table.rend(); ++entry) {
    if (entry->mount_point == path) return *entry;
  }
  return std::nullopt;
}

base::Result<std::optional<MountEntry>> current_mount_at(const std::string& path) {
  std::ifstream file("/proc/self/mountinfo");
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (text.empty())
    return base::make_error(base::Code::kUnsupported, "cannot read /proc/self/mountinfo",
                            "mount /proc");
  return mount_at(parse_mountinfo(text), path);
}

base::Result<std::string> canonical_path(const std::string& path) {
  auto whole = real_path(path);
  const int failed = whole ? 0 : whole.error().sys_errno;
  if (whole || failed == ENOENT || failed == ENOTDIR) return whole;
  std::string rest = path;
  while (rest.size() > 1 && rest.back() == '/') rest.pop_back();
  const std::size_t slash = rest.rfind('/');
  const std::string name = slash == std::string::npos ? rest : rest.substr(slash + 1);
  if (name.empty() || name == "." || name == "..") return whole;
  CASTOOL_ASSIGN(std::string parent,
                 real_path(slash == std::string::npos ? "." : rest.substr(0, slash + 1)));
  if (parent.back() != '/') parent += '/';
  return parent + name;
}

bool is_inside(std::string_view path, std::string_view directory) {
  if (directory == "/") return true;
  return path.starts_with(directory) &&
         (path.size() == directory.size() || path[directory.size()] == '/');
}

}  // namespace castool::fusefs
