-- What Quarto adds to Pandoc's Markdown and the sources use: numbered floats, equations and sections with references to them,
-- content for one format only, links between pages. Anything unresolved stops the rendering.

local typst = FORMAT:match("typst") ~= nil
local NAMES = {fig = "Figure", tbl = "Table", eq = "Equation", sec = "Section"}
local numbers, counts, depth = {}, {fig = 0, tbl = 0, eq = 0}, {0, 0, 0, 0, 0, 0}

local function kind(id)
  local name = id:match("^(%a+)%-")
  return name and NAMES[name] and name
end

local function define(id)
  local name = kind(id)
  if numbers[id] then error("two elements are called " .. id) end
  counts[name] = counts[name] + 1
  numbers[id] = tostring(counts[name])
  return numbers[id]
end

-- A figure or table with its caption, numbered in the format's own way.
local function float(id, content, caption)
  local name = kind(id)
  local number = define(id)
  if not caption then error(id .. " has no caption") end
  if typst then
    local where = name == "tbl" and "top" or "bottom"
    local out = pandoc.Blocks({pandoc.RawBlock("typst", "#figure([")})
    out:extend(content)
    out:insert(pandoc.RawBlock("typst", "], caption: figure.caption(position: " .. where .. ", ["))
    out:insert(pandoc.Plain(caption))
    out:insert(pandoc.RawBlock("typst",
      ('], ),\nkind: "quarto-float-%s",\nsupplement: "%s",\nnumbering: "1",\n)\n<%s>\n'):format(name, NAMES[name], id)))
    return out
  end
  local title = pandoc.Inlines({pandoc.Str(NAMES[name] .. "\u{a0}" .. number .. ": ")})
  title:extend(caption)
  local out = pandoc.Blocks({pandoc.RawBlock("html", ('<figure id="%s" class="kdgat-float kdgat-%s">'):format(id, name))})
  local label = pandoc.Blocks({pandoc.RawBlock("html", "<figcaption>"), pandoc.Plain(title), pandoc.RawBlock("html", "</figcaption>")})
  if name == "tbl" then out:extend(label) out:extend(content) else out:extend(content) out:extend(label) end
  out:insert(pandoc.RawBlock("html", "</figure>"))
  return out
end

local function equation(math, id)
  local number = define(id)
  if typst then
    local text = pandoc.write(pandoc.Pandoc({pandoc.Plain({math})}), "typst"):gsub("%s+$", "")
    return pandoc.RawInline("typst", ('#math.equation(block: true, numbering: "(1)", [ %s ])<%s>'):format(text, id))
  end
  math.text = math.text .. " \\qquad(" .. number .. ")"
  return pandoc.Span({math}, pandoc.Attr(id, {"kdgat-equation"}))
end

local function visible(div)
  local shown
  for _, class in ipairs(div.classes) do
    if class == "content-visible" or class == "content-hidden" then
      local wanted = div.attributes["when-format"]
      if wanted ~= "html" and wanted ~= "typst" then error("when-format must be html or typst, not " .. tostring(wanted)) end
      shown = (wanted == (typst and "typst" or "html")) == (class == "content-visible")
    elseif class:match("^callout") or class:match("^column%-") or class:match("tabset") then
      error("." .. class .. " is not supported by the draft renderer")
    end
  end
  return shown
end

local function defineAll(blocks)
  local out = pandoc.Blocks({})
  for _, block in ipairs(blocks) do
    if block.t == "Div" and visible(block) ~= nil then
      if visible(block) then out:extend(defineAll(block.content)) end
    elseif block.t == "Div" and kind(block.identifier) then
      local caption = block.content:remove(#block.content)
      out:extend(float(block.identifier, block.content, caption and caption.content))
    elseif block.t == "Div" then
      block.content = defineAll(block.content)
      out:insert(block)
    elseif block.t == "Figure" then
      if kind(block.identifier) then
        out:extend(float(block.identifier, block.content, pandoc.utils.blocks_to_inlines(block.caption.long)))
      else
        out:insert(block)
      end
    elseif block.t == "Table" and kind(block.identifier) then
      local caption = pandoc.utils.blocks_to_inlines(block.caption.long)
      local id = block.identifier
      block.caption, block.identifier = {long = {}}, ""
      out:extend(float(id, pandoc.Blocks({block}), caption))
    elseif block.t == "Header" then
      if not block.classes:includes("unnumbered") then
        depth[block.level] = depth[block.level] + 1
        for level = block.level + 1, 6 do depth[level] = 0 end
        numbers[block.identifier] = table.concat(depth, ".", 1, block.level)
      end
      out:insert(block)
    elseif block.t == "Para" or block.t == "Plain" then
      local inlines = pandoc.Inlines({})
      for _, inline in ipairs(block.content) do
        local id = inline.t == "Str" and inline.text:match("^{#(eq%-[%w%-]+)}$")
        if id then
          if inlines[#inlines].t:match("Space") or inlines[#inlines].t:match("Break") then inlines:remove(#inlines) end
          inlines:insert(equation(inlines:remove(#inlines), id))
        else
          inlines:insert(inline)
        end
      end
      block.content = inlines
      out:insert(block)
    else
      out:insert(block)
    end
  end
  return out
end

local function reference(cite)
  local out = pandoc.Inlines({})
  for i, citation in ipairs(cite.citations) do
    local name = kind(citation.id)
    if not name then return nil end
    if not numbers[citation.id] then error("unresolved reference @" .. citation.id) end
    if i > 1 then out:extend({pandoc.Str(","), pandoc.Space()}) end
    if typst then
      out:insert(pandoc.RawInline("typst", ("#ref(<%s>, supplement: [%s])"):format(citation.id, NAMES[name])))
    else
      out:insert(pandoc.Link(NAMES[name] .. "\u{a0}" .. numbers[citation.id], "#" .. citation.id, "", pandoc.Attr("", {"quarto-xref"})))
    end
  end
  return out
end

function Pandoc(doc)
  doc.blocks = defineAll(doc.blocks)
  return doc:walk({
    Cite = reference,
    Link = function(link)
      link.target = link.target:gsub("%.qmd$", ".html"):gsub("%.qmd#", ".html#")
      return link
    end,
    Image = function(image)
      local folder = doc.meta["source-folder"]
      if typst and folder then image.src = "/" .. pandoc.utils.stringify(folder) .. image.src end
      image.attributes.alt, image.attributes["fig-alt"] = image.attributes["fig-alt"], nil
      return image
    end,
  })
end
