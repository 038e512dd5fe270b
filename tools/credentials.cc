#include "tools/credentials.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <system_error>

#include <fmt/format.h>

#include "base/unique_fd.h"

namespace castool::tools {
namespace {

using base::Code;
using base::make_error;
using base::Result;

constexpr std::size_t kMaxTokenFile = 64 << 10;

std::string strip(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n\v\f";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(kSpace) - first + 1));
}

// The file's content, or the errno that kept it from being read.
struct TokenFile {
  std::string content;
  int failure = 0;
  bool open_to_others = false;
};

TokenFile read_token_file(const std::string& path) {
  TokenFile file;
  const base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status = {};
  if (!fd || ::fstat(fd.get(), &status) != 0) {
    file.failure = errno;
    return file;
  }
  // A pipe is fine (--token-file /dev/fd/3); its mode says nothing.
  file.open_to_others = S_ISREG(status.st_mode) && (status.st_mode & 077) != 0;
  std::array<char, 4096> buffer = {};
  while (file.content.size() <= kMaxTokenFile) {
    const ssize_t count = ::read(fd.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) file.failure = errno;
    if (count <= 0) break;
    file.content.append(buffer.data(), static_cast<std::size_t>(count));
  }
  return file;
}

// A token goes into a header line, so it has to be one word of visible ASCII.
Result<std::string> checked(std::string token, std::string_view where) {
  const bool word =
      std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c < 127; });
  if (!word || token.size() > 4096) {
    return make_error(Code::kUsage, fmt::format("{}: what it holds is not a token", where));
  }
  return token;
}

std::string default_token_path(const Variables& variables) {
  if (auto path = variable(variables, "HF_TOKEN_PATH"); !path.empty()) return path;
  if (const auto home = variable(variables, "HF_HOME"); !home.empty()) return home + "/token";
  if (const auto cache = variable(variables, "XDG_CACHE_HOME"); !cache.empty()) {
    return cache + "/huggingface/token";
  }
  const auto home = variable(variables, "HOME");
  return home.empty() ? std::string() : home + "/.cache/huggingface/token";
}

void warn_if_open(const TokenFile& file, const std::string& path, base::Log& log) {
  if (!file.open_to_others) return;
  log.warn("{}: other users can read this token (chmod 600 it)", path);
}

// The token of a file that was named by `option`.
Result<std::string> named_token(std::string_view option, const std::string& path, base::Log& log) {
  const TokenFile file = read_token_file(path);
  const std::string where = fmt::format("{} {}", option, path);
  if (file.failure != 0) {
    return make_error(Code::kUsage,
                      fmt::format("{}: {}", where, std::generic_category().message(file.failure)));
  }
  warn_if_open(file, path, log);
  std::string token = strip(file.content);
  if (token.empty()) return make_error(Code::kUsage, where + ": it is empty");
  return checked(std::move(token), where);
}

Result<std::string> find_token(const GlobalArguments& arguments, const Variables& variables,
                               base::Log& log) {
  if (arguments.token_file) {
    return named_token("--token-file", *arguments.token_file, log);
  }
  for (const char* name : {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"}) {
    std::string token = strip(variable(variables, name));
    if (!token.empty()) return checked(std::move(token), name);
  }
  const std::string path = default_token_path(variables);
  if (path.empty()) return std::string();
  const TokenFile file = read_token_file(path);
  if (file.failure != 0) {
    if (file.failure != ENOENT && file.failure != ENOTDIR) {
      log.warn("{}: {}; going on without a token", path,
               std::generic_category().message(file.failure));
    }
    return std::string();
  }
  warn_if_open(file, path, log);
  return checked(strip(file.content), path);
}

}  // namespace

Result<std::string> load_hub_token(const GlobalArguments& arguments, const Variables& variables,
                                   base::Log& log) {
  auto token = find_token(arguments, variables, log);
  // No core file and no ptrace(2) by other processes of the user shall give the token away.
  if (token && !token->empty()) ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  return token;
}

Result<std::string> load_api_token(const std::string& path, base::Log& log) {
  auto token = named_token("--auth-token-file", path, log);
  if (token) ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  return token;
}

}  // namespace castool::tools
