#include "manifest/gguf_model.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include <fmt/format.h>

#include "base/hasher.h"
#include "manifest/file_header.h"
#include "manifest/json_value.h"
#include "manifest/name_rules.h"

namespace castool::manifest {
namespace {

using base::Code;
using base::make_error;

constexpr std::string_view kHost = "hf.co";
constexpr std::string_view kImage = "application/vnd.ollama.image.";

struct KnownForm {
  std::string_view mark;
  ChatForm form;
};
// The marks of one family occur in no template of the others.
constexpr std::array<KnownForm, 5> kForms = {{
    {"<|im_start|>",
     {"{{- range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}"
      "<|im_start|>assistant\n",
      R"({"stop":["<|im_start|>","<|im_end|>"]})"}},
    {"<|start_header_id|>",
     {"{{- range .Messages }}<|start_header_id|>{{ .Role }}<|end_header_id|>\n\n"
      "{{ .Content }}<|eot_id|>{{ end }}<|start_header_id|>assistant<|end_header_id|>\n\n",
      R"({"stop":["<|start_header_id|>","<|end_header_id|>","<|eot_id|>"]})"}},
    {"<start_of_turn>",
     {"{{- range .Messages }}<start_of_turn>{{ if eq .Role \"assistant\" }}model{{ else }}user"
      "{{ end }}\n{{ .Content }}<end_of_turn>\n{{ end }}<start_of_turn>model\n",
      R"({"stop":["<start_of_turn>","<end_of_turn>"]})"}},
    {"<|assistant|>",
     {"{{- range .Messages }}<|{{ .Role }}|>\n{{ .Content }}<|end|>\n{{ end }}<|assistant|>\n",
      R"({"stop":["<|user|>","<|assistant|>","<|end|>"]})"}},
    {"[INST]",
     {"{{- range .Messages }}{{ if eq .Role \"assistant\" }} {{ .Content }}</s>{{ else }}"
      "[INST] {{ .Content }} [/INST]{{ end }}{{ end }}",
      R"({"stop":["[INST]","[/INST]"]})"}},
}};

std::string descriptor(std::string_view media_type, const base::Digest& digest,
                       std::uint64_t size) {
  return fmt::format(R"({{"mediaType":"{}","digest":"{}","size":{}}})", media_type, digest.text(),
                     size);
}

std::string descriptor_of(std::string_view media_type, const std::string& bytes) {
  return descriptor(media_type, base::Sha256::of(std::string_view(bytes)), bytes.size());
}

std::string config_text(const GgufMetadata& metadata, const base::Digest& gguf) {
  const std::string family = json_quote(metadata.architecture);
  std::string lengths;
  if (metadata.context_length)
    lengths += fmt::format(R"("context_length":{},)", *metadata.context_length);
  if (metadata.embedding_length)
    lengths += fmt::format(R"("embedding_length":{},)", *metadata.embedding_length);
  const std::string_view quantisation =
      metadata.file_type ? gguf_quantisation(*metadata.file_type) : "unknown";
  return fmt::format(
      R"({{"model_format":"gguf","model_family":{0},"model_families":[{0}],"model_type":"{1}",)"
      R"("file_type":"{2}",{3}"architecture":"amd64","os":"linux","rootfs":{{"type":"layers",)"
      R"("diff_ids":["{4}"]}}}})",
      family, human_parameters(metadata.parameters), quantisation, lengths, gguf.text());
}

std::string_view last_part(std::string_view path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

std::string human_parameters(std::uint64_t parameters) {
  const auto number = static_cast<double>(parameters);
  const auto print = [](double value, int digits) {
    return std::floor(value) == value ? fmt::format("{:.0f}", value)
                                      : fmt::format("{:.{}f}", value, digits);
  };
  if (parameters >= 1'000'000'000) return print(number / 1e9, 1) + "B";
  if (parameters >= 1'000'000) return print(number / 1e6, 2) + "M";
  if (parameters >= 1'000) return fmt::format("{:.0f}K", number / 1e3);
  return fmt::format("{}", parameters);
}

std::optional<ChatForm> chat_form(std::string_view jinja) {
  for (const KnownForm& known : kForms) {
    if (jinja.find(known.mark) != std::string_view::npos) return known.form;
  }
  return std::nullopt;
}

base::Result<MadeModel> make_gguf_model(const GgufMetadata& metadata, const base::Digest& gguf,
                                        std::uint64_t size) {
  if (metadata.architecture == "clip")
    return make_error(Code::kUnsupported, "it is a projector, and no model by itself");
  MadeModel made;
  made.blobs.push_back(config_text(metadata, gguf));
  std::string layers = descriptor(std::string(kImage) + "model", gguf, size);
  if (const auto form = chat_form(metadata.chat_template)) {
    for (const auto& [kind, text] :
         {std::pair{"template", form->go_template}, std::pair{"params", form->parameters}}) {
      made.blobs.emplace_back(text);
      layers += "," + descriptor_of(std::string(kImage) + kind, made.blobs.back());
    }
  }
  made.manifest = fmt::format(
      R"({{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json",)"
      R"("config":{},"layers":[{}]}})",
      descriptor_of("application/vnd.docker.container.image.v1+json", made.blobs.front()), layers);
  return made;
}

std::vector<GgufName> gguf_names(const HubManifest& manifest) {
  std::vector<GgufName> names;
  std::map<std::string, int> quantisations;
  for (const FileEntry& file : manifest.files) {
    if (format_of_path(file.path) != FileFormat::kGguf) continue;
    names.push_back({&file, {}, {}});
    ++quantisations[std::string(quantisation_in_name(last_part(file.path)))];
  }
  const std::size_t slash = manifest.repo.find('/');
  const std::string_view user = std::string_view(manifest.repo).substr(0, slash);
  const std::string_view repository = last_part(manifest.repo);
  const bool named =
      slash != std::string::npos && is_ollama_namespace(user) && is_ollama_part(repository);
  std::map<std::string, const FileEntry*> taken;
  for (GgufName& name : names) {
    const std::string_view file = last_part(name.file->path);
    const std::string quantisation(quantisation_in_name(file));
    const bool alone = !quantisation.empty() && quantisations[quantisation] == 1;
    const std::string tag = alone ? quantisation : std::string(file);
    if (is_gguf_part(file)) {
      name.left_out = "Ollama reads no GGUF of several parts";
    } else if (!named || !is_ollama_part(tag)) {
      name.left_out =
          fmt::format("Ollama takes no name such as {}/{}:{}", kHost, manifest.repo, tag);
    } else if (!taken.emplace(tag, name.file).second) {
      name.left_out = fmt::format("its name {} is that of another file", tag);
    } else {
      name.path = fmt::format("{}/{}/{}", kHost, manifest.repo, tag);
    }
  }
  return names;
}

}  // namespace castool::manifest
