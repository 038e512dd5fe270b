#include "api/errors.h"

#include <fmt/format.h>

namespace castool::api {
namespace {

using base::Code;

constexpr std::string_view kManifest = "pull model manifest: ";
constexpr std::string_view kNotFound = "pull model manifest: file does not exist";

// Empty: the error may be told as it is.
std::string_view fixed_sentence(Code code) {
  switch (code) {
    case Code::kNoSpace: return "no space left on the server";
    case Code::kQuota: return "the server's quota is used up";
    case Code::kStoreRefused: return "the server cannot write its store";
    case Code::kIo: return "the server's disk failed";
    case Code::kInternal: return "an internal error of the server";
    case Code::kCancelled: return "the pull was stopped by the server";
    default: return {};
  }
}

std::string with_prefix(std::string_view prefix, const std::string& message) {
  if (message.starts_with(prefix)) return message;
  return std::string(prefix) + message;
}

}  // namespace

std::string error_text(const base::Error& error, std::string_view store) {
  if (const auto fixed = fixed_sentence(error.code); !fixed.empty()) return std::string(fixed);
  if (!store.empty() && error.message.find(store) != std::string::npos) {
    return std::string(base::word(error.code));
  }
  return error.message;
}

std::string pull_error_text(const base::Error& error, Stage stage, std::string_view store) {
  std::string text = error_text(error, store);
  if (!fixed_sentence(error.code).empty() || error.code == Code::kUsage) return text;
  if (error.code == Code::kDigestMismatch) {
    return with_prefix("digest mismatch, file must be downloaded again: ", text);
  }
  if (stage == Stage::kLayers) {
    if (error.code == Code::kUnavailable) return with_prefix("max retries exceeded: ", text);
    return text;
  }
  if (error.code == Code::kNotFound && !text.starts_with(kManifest)) {
    return fmt::format("{}: {}", kNotFound, text);
  }
  return with_prefix(kManifest, text);
}

int pull_error_status(const base::Error& error) {
  if (error.code == Code::kUsage) return 400;
  return error.code == Code::kNotFound ? 404 : 500;
}

}  // namespace castool::api
